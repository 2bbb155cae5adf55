from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
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
    """Measure the video analysed in a time, minutes of 720p with one face: one worker, then one for each processor."""
    video = looped(folder, 60)
    rates = []
    for workers in sorted({1, available_cpus()}):
        with private_redis() as url, ExitStack() as stack:
            place = folder / str(workers)
            place.mkdir()
            for _ in range(workers):
                stack.enter_context(worker(place, url))
            seconds, videos = asyncio.run(_drained(url, place, video, _JOBS_EACH * workers))
            rates.append(videos / seconds)
            each = rates[-1] * 60 / available_cpus()
            yield Figure(f"{workers} worker{'s' * (workers > 1)}", rates[-1], "s of video/s")
            yield Figure(f"{workers} worker{'s' * (workers > 1)}, each processor", each, "minutes of video an hour")
    if len(rates) > 1:
        yield Figure(f"{workers} workers to 1", rates[1] / rates[0], "times", "≥ 1.8" if workers == 2 else "")


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
