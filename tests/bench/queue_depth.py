from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from mien.contract.options import AnalyzeOptions
from service.queue.connection import connect, connect_async
from service.queue.consumer import Attempt, Consumer
from service.queue.jobs import Jobs
from tests.bench.figures import Figure
from tests.processes import private_redis

_DEPTHS = (10, 1_000, 100_000)
_MEASURED = 300


def run(_: Path) -> Iterator[Figure]:
    """Measure what a job costs the queue, from its submission to its end, by how many others wait."""
    costs = []
    with private_redis() as url:
        consumer = Consumer(connect(url), connect(url), name="bench", lease_s=600, max_attempts=3, results_ttl_s=600)
        consumer.claim(1, 0.001)
        waiting = 0
        for depth in _DEPTHS:
            asyncio.run(_submit(url, range(waiting, depth)))
            waiting = depth
            costs.append(asyncio.run(_cost(url, consumer, depth)))
            yield Figure(f"one job, {depth:,} waiting", 1000 * costs[-1], "ms")
    yield Figure(f"{_DEPTHS[-1]:,} waiting to {_DEPTHS[0]}", costs[-1] / costs[0], "times", "≤ 1.2")


async def _submit(url: str, numbers: range) -> None:
    redis = connect_async(url)
    jobs = Jobs(redis)
    for first in range(numbers.start, numbers.stop, 50):
        await asyncio.gather(
            *(
                jobs.submit(f"waiting{number}", upload="uploads/none", size=1, price=1, options=AnalyzeOptions())
                for number in range(first, min(first + 50, numbers.stop))
            )
        )
    await redis.aclose()


async def _cost(url: str, consumer: Consumer, depth: int) -> float:
    """Return the median seconds for one more job and the end of the oldest; as many as before wait after it."""
    redis = connect_async(url)
    jobs = Jobs(redis)
    seconds = []
    for number in range(_MEASURED):
        began = time.perf_counter()
        await jobs.submit(f"{depth}-{number}", upload="uploads/none", size=1, price=1, options=AnalyzeOptions())
        [entry] = consumer.claim(1, 1)
        attempt = consumer.begin(entry)
        assert isinstance(attempt, Attempt)
        assert consumer.commit_success(attempt, result="results/none", decode_ms=0, inference_ms=0)
        seconds.append(time.perf_counter() - began)
    await redis.aclose()
    return statistics.median(seconds)
