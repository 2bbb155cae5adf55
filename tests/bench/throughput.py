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
from service.worker.settings import default_slots
from tests.bench.figures import Figure
from tests.bench.samples import looped
from tests.processes import private_redis, worker

_JOBS_A_SLOT = 3
_LOOK_EVERY_S = 0.25


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
        yield Figure(f"1 worker, {len(every)} processors to 1", together / one, "times", f"≥ {0.85 * len(every):.3g}")
        each = _rate(folder / "each", video, [[processor] for processor in every])
        yield Figure(f"{len(every)} workers, each on its own processor", each, "s of video/s")
        yield Figure(f"{len(every)} workers to 1, a processor each", each / one, "times", f"≥ {0.9 * len(every):.3g}")


def _rate(place: Path, video: Path, workers: list[list[int]]) -> float:
    """Return the seconds of video a second of workers, each with its processors, that have a full queue."""
    place.mkdir()
    slots = 0
    with private_redis() as url, ExitStack() as stack:
        for processors in workers:
            with _confined_to(processors):  # the worker inherits it
                slots += default_slots()
                stack.enter_context(worker(place, url))
        return asyncio.run(_steady_rate(url, place, video, slots))


@contextmanager
def _confined_to(processors: list[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _steady_rate(url: str, place: Path, video: Path, slots: int) -> float:
    """Return the rate from where all workers are busy to where one of them might find the queue empty."""
    redis = connect_async(url)
    queue = Jobs(redis)
    (place / "blobs" / "uploads").mkdir(parents=True, exist_ok=True)
    names = [f"job{number}" for number in range(_JOBS_A_SLOT * slots)]
    for name in names:
        shutil.copy(video, place / "blobs" / "uploads" / name)
        await queue.submit(name, upload=f"uploads/{name}", size=1, price=1, options=AnalyzeOptions())
    seen: list[tuple[float, float]] = []  # the time, and the seconds of video that are done
    while True:
        jobs = [job for name in names if isinstance(job := await queue.find(name), Job)]
        assert not any(job.error for job in jobs), [job.error for job in jobs]
        waiting = sum(job.state is State.QUEUED for job in jobs)
        if sum(job.done_s > 0 for job in jobs) >= slots:
            seen.append((time.monotonic(), sum(job.done_s for job in jobs)))
        if seen and not waiting:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    await redis.aclose()
    (began, before), (ended, after) = seen[0], seen[-1]
    return (after - before) / (ended - began)
