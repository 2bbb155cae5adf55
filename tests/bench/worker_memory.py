from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from service.queue.connection import connect_async
from service.queue.jobs import Job, Jobs
from tests.bench.figures import Figure
from tests.bench.samples import looped
from tests.processes import Process, private_redis, worker


def run(folder: Path) -> Iterator[Figure]:
    """Measure the greatest resident memory of a worker with its children, for 1 and for 10 minutes of 720p video."""
    with private_redis() as url:
        for seconds in (60, 600):
            run_folder = folder / str(seconds)
            (run_folder / "blobs" / "uploads").mkdir(parents=True)
            with worker(run_folder, url) as process:
                shutil.copy(looped(folder, seconds), run_folder / "blobs" / "uploads" / f"job{seconds}")
                idle = process.rss_bytes()
                peak = asyncio.run(_analyse(url, f"job{seconds}", process))
                yield Figure(f"{seconds} s of video, idle", idle / 1e6, "MB")
                yield Figure(f"{seconds} s of video, at most", peak / 1e6, "MB")


async def _analyse(url: str, job_id: str, process: Process) -> int:
    redis = connect_async(url)
    jobs = Jobs(redis)
    await jobs.submit(job_id, upload=f"uploads/{job_id}", size=1, price=1, options=AnalyzeOptions())
    peak = 0
    while True:
        peak = max(peak, process.rss_bytes())
        job = await jobs.find(job_id)
        if isinstance(job, Job) and job.state.terminal:
            assert job.state is State.SUCCEEDED, job.error
            await redis.aclose()
            return peak
        await asyncio.sleep(0.05)
