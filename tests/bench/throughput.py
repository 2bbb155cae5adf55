from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from service.queue.connection import connect_async
from service.queue.jobs import Job, Jobs
from service.worker.cpus import available_cpus
from tests.bench.figures import Figure
from tests.bench.samples import looped
from tests.processes import private_redis, worker

_JOBS_EACH = 3


def run(folder: Path) -> Iterator[Figure]:
    """Measure the video analysed in a time, minutes of 720p with one face, by workers with full queues (Linux)."""
    video = looped(folder, 60)
    every = sorted(os.sched_getaffinity(0))[: available_cpus()]
    together = _rate(folder / "together", video, [every])
    yield Figure("1 worker", together, "s of video/s")
    yield Figure("1 worker, each processor", together * 60 / len(every), "minutes of video an hour")
    one = _rate(folder / "one", video, [every[:1]])
    yield Figure("1 worker on 1 processor", one, "s of video/s")
    if len(every) > 1:
        each = _rate(folder / "each", video, [[processor] for processor in every])
        yield Figure(f"{len(every)} workers, each on its own processor", each, "s of video/s")
        yield Figure(f"{len(every)} workers to 1, a processor each", each / one, "times", f"≥ {0.9 * len(every):.3g}")


def _rate(place: Path, video: Path, workers: list[list[int]]) -> float:
    """Return the seconds of video a second of workers, each with its processors, that have a full queue."""
    place.mkdir()
    with private_redis() as url, ExitStack() as stack:
        for processors in workers:
            with _confined_to(processors):  # the worker inherits it
                stack.enter_context(worker(place, url))
        seconds, videos = asyncio.run(_drained(url, place, video, _JOBS_EACH * len(workers)))
    return videos / seconds


@contextmanager
def _confined_to(processors: list[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _drained(url: str, place: Path, video: Path, jobs: int) -> tuple[float, float]:
    """Return the seconds until all are done, and the seconds of video that they had."""
    redis = connect_async(url)
    queue = Jobs(redis)
    (place / "blobs" / "uploads").mkdir(parents=True, exist_ok=True)
    for number in range(jobs):
        shutil.copy(video, place / "blobs" / "uploads" / f"job{number}")
    began = time.monotonic()
    for number in range(jobs):
        await queue.submit(f"job{number}", upload=f"uploads/job{number}", size=1, price=1, options=AnalyzeOptions())
    while True:
        found = [await queue.find(f"job{number}") for number in range(jobs)]
        ended = [job for job in found if isinstance(job, Job) and job.state.terminal]
        assert all(job.state is State.SUCCEEDED for job in ended), [job.error for job in ended]
        if len(ended) == jobs:
            await redis.aclose()
            return time.monotonic() - began, sum(job.done_s for job in ended)
        await asyncio.sleep(0.1)
