"""Check that a clip can be read, or crop its face: one job a clip.

A job's result is a list of two texts, the error message (empty if there is none) and the job's `source`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mien.contract.bundle import FaceCrop
from model.data.faces import crop_face, crop_still
from model.data.media import ARRAYS, ClipUnreadable, is_still, open_media
from model.data.prepared import Region
from model.errors import ModelError
from model.unfinished import unfinished, writing


@dataclass(frozen=True)
class CropJob:
    """A clip to check, or with a target a clip whose face is cropped.

    Attributes:
        id: the clip's id.
        media: see `model.data.prepared.ClipRow`.
        source: which file the media was when the job was made (`source_of`).
        fps: see `ClipRow`.
        region: see `model.data.prepared.Prepared`.
        target: where the crop is written.
        crop: margin and shape of the crop.
        yunet: see `crop_face`.
        known: the same crop in another prepared folder, to take instead.
    """

    id: str
    media: Path
    source: str
    fps: float | None
    region: Region | None
    target: Path | None
    crop: FaceCrop
    yunet: Path | None
    known: Path | None = None


def source_of(media: Path) -> str:
    """Return a file's size in bytes and time of change in ns, to tell if it is replaced; empty if it is missing."""
    try:
        found = (media.parent if media.parent.suffix == ARRAYS else media).stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def run_crop_job(job: CropJob) -> list[str]:
    """Run a job and return its result.

    Raises:
        ModelError: something is wrong that is not the clip's: the target cannot be written, for example.
    """
    try:
        if job.target is None:
            _check(job)
        elif job.known is not None and job.known.is_file():  # it may have been packed or removed since
            _take(job.known, job.target)
        else:
            cut = crop_still if is_still(job.media) else crop_face
            cut(job.media, job.target, crop=job.crop, yunet=job.yunet)
    except ClipUnreadable as error:
        return [str(error), job.source]
    except ModelError:
        raise
    except Exception as error:  # one broken clip must not end a run of hours
        return [f"{job.media}: {type(error).__name__}: {error}", job.source]
    return ["", job.source]


def _take(crop: Path, target: Path) -> None:
    with writing(target), unfinished(target) as path:
        try:
            path.hardlink_to(crop)
        except OSError:  # another file system, or one without links
            shutil.copyfile(crop, path)


def _check(job: CropJob) -> None:
    """Decode the first picture."""
    with open_media(job.media, job.fps) as media:
        height, width = next(media.read(0.0)).picture().shape[:2]
    region = job.region
    if region and (width < region.left + region.width or height < region.top + region.height):
        raise ClipUnreadable(f"{job.media} has pictures of {width} × {height} pixels, too small for the face's place.")
