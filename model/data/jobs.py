"""Process many clips in several processes: check that a clip can be read, or crop its face."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from mien.contract.bundle import FaceCrop
from model.data.faces import crop_face, crop_still
from model.data.media import ClipUnreadable, is_still, open_media
from model.data.prepared import Region
from model.errors import ModelError

_AHEAD = 4  # clips that wait for each process


@dataclass(frozen=True)
class CropJob:
    """A clip to check, or with a target a clip whose face is cropped."""

    id: str
    media: Path
    fps: float | None
    region: Region | None
    target: Path | None
    crop: FaceCrop
    yunet: Path | None


class Identified(Protocol):
    """A job with an id."""

    @property
    def id(self) -> str:
        """The job's id, unique among all jobs."""
        ...


Work = TypeVar("Work", bound=Identified)
Result = TypeVar("Result")


def run_jobs(jobs: Sequence[Work], do: Callable[[Work], Result], workers: int) -> Iterator[tuple[Work, Result]]:
    """Run jobs in processes and yield each with its result as it finishes.

    Raises:
        ModelError: a process was killed.
    """
    if workers == 1:
        yield from ((job, do(job)) for job in jobs)
        return
    waiting = iter(jobs)
    running: dict[Future[Result], Work] = {}
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            while True:
                for job in islice(waiting, _AHEAD * workers - len(running)):
                    running[pool.submit(do, job)] = job
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool as error:
            raise ModelError("A process was killed, perhaps for want of memory: run it again with fewer.") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run_crop_job(job: CropJob) -> str:
    """Run a job; return the error message, or an empty string."""
    try:
        if job.target is not None:
            if not job.target.exists():
                cut = crop_still if is_still(job.media) else crop_face
                cut(job.media, job.target, crop=job.crop, yunet=job.yunet)
        else:
            _check(job)
    except ClipUnreadable as error:
        return str(error)
    except Exception as error:  # one broken clip must not end a run of hours
        return f"{job.media}: {type(error).__name__}: {error}"
    return ""


def _check(job: CropJob) -> None:
    """Decode the first picture."""
    with open_media(job.media, job.fps) as media:
        height, width = next(media.read(0.0)).picture().shape[:2]
    region = job.region
    if region and (width < region.left + region.width or height < region.top + region.height):
        raise ClipUnreadable(f"{job.media} has pictures of {width} × {height} pixels, too small for the face's place.")
