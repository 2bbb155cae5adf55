"""Take stock after a run: what became of each accepted job, and what was left over."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from mien.contract.jobs import State
from service.gateway.usecases.erase import Erase
from service.gateway.usecases.sweep import Sweep
from service.queue import keys
from service.queue.admission import Admission
from service.queue.connection import connect_async
from service.queue.erasure import Erasure
from service.queue.jobs import Job, Jobs
from service.queue.repair import Repair
from service.queue.status import QueueStatus
from service.storage.blobs import RESULTS, UPLOADS, Blobs
from tests.chaos.fleet import Fleet
from tests.processes import HANG_S


@dataclass
class Stock:
    """How it ended. `double` counts jobs of which two attempts were told that theirs is the result."""

    accepted: int = 0
    done: int = 0
    failed: int = 0
    lost: int = 0
    double: int = 0
    extra_attempts: int = 0
    blobs_left: int = 0
    reservations_left: int = 0

    @property
    def promise_kept(self) -> bool:
        return not (self.failed or self.lost or self.double or self.blobs_left or self.reservations_left)


def take_stock(fleet: Fleet, accepted: list[str]) -> Stock:
    """Wait until all jobs have ended, sweep, and count."""
    return asyncio.run(_take_stock(fleet, accepted))


async def _take_stock(fleet: Fleet, accepted: list[str]) -> Stock:
    redis = connect_async(fleet.redis.url)
    jobs, blobs, erasure = Jobs(redis), Blobs(fleet.blobs), Erasure(redis)
    try:
        async with asyncio.timeout(HANG_S):
            while await QueueStatus(redis).depth():
                await asyncio.to_thread(fleet.keep)
                await asyncio.sleep(0.2)
        await Sweep(jobs, Admission(redis), Repair(redis), blobs, idle_s=0)(0)
        await Erase(erasure, blobs, 0)()
        stock = Stock(accepted=len(set(accepted)))
        results = set()
        for job_id in set(accepted):
            job = await jobs.find(job_id)
            if not isinstance(job, Job) or not job.state.terminal:
                stock.lost += 1
                continue
            stock.extra_attempts += int(await redis.hget(keys.job(job_id), "attempts") or 1) - 1
            if job.state is State.FAILED:
                stock.failed += 1
            elif job.result is None or not (fleet.blobs / job.result).is_file():
                stock.lost += 1
            else:
                stock.done += 1
                results.add(job.result)
        found = {name for part in (UPLOADS, RESULTS) async for name, _ in blobs.ages(part)}
        stock.blobs_left = len(found - results)
        stock.reservations_left = await redis.zcard(keys.RESERVED)
    finally:
        await redis.aclose()
    committed = defaultdict(set)
    for line in fleet.ledger.read_text().splitlines():
        job_id, fence = line.split()
        committed[job_id].add(fence)
    stock.double = sum(len(fences) > 1 for fences in committed.values())
    return stock
