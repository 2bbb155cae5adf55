"""Count the outcomes of a run: the end of each accepted job, and what was left over."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from redis.asyncio import Redis

from mien.contract.jobs import State
from service.gateway.usecases.erase import Erase
from service.gateway.usecases.sweep import Sweep
from service.queue import keys
from service.queue.admission import Admission
from service.queue.clock import now_ms
from service.queue.connection import connect_async
from service.queue.erasure import Erasure
from service.queue.jobs import Job, Jobs
from service.queue.repair import Repair
from service.queue.status import QueueStatus
from service.storage.blobs import RESULTS, UPLOADS, Blobs
from tests.chaos.fleet import LEASE_S, Fleet
from tests.processes import HANG_S


@dataclass
class Outcomes:
    """The outcomes of a run.

    Attributes:
        reservations_left: room still held for uploads when the lease of each killed gateway has ended.
        double: jobs of which the queue accepted the result of two attempts.
        extra_attempts: attempts beyond the first of each job.
        unexplained: those of them that followed no fault of the worker of the attempt before.
    """

    accepted: int = 0
    done: int = 0
    failed: int = 0
    lost: int = 0
    double: int = 0
    extra_attempts: int = 0
    unexplained: int = 0
    blobs_left: int = 0
    reservations_left: int = 0

    @property
    def promise_kept(self) -> bool:
        return not (self.failed or self.lost or self.double or self.blobs_left or self.reservations_left)


class _Entry(NamedTuple):
    """A line of the ledger."""

    what: str
    job_id: str
    fence: int
    pid: int
    at: float


def count_outcomes(fleet: Fleet, accepted: list[str]) -> Outcomes:
    """Wait until all jobs have ended, sweep, and count."""
    outcomes = asyncio.run(_count_outcomes(fleet, accepted))
    began: defaultdict[str, list[_Entry]] = defaultdict(list)
    committed: defaultdict[str, set[int]] = defaultdict(set)
    for line in fleet.ledger.read_text().splitlines():
        what, job_id, fence, pid, at = line.split()
        entry = _Entry(what, job_id, int(fence), int(pid), float(at))
        if what == "begun":
            began[job_id].append(entry)
        else:
            committed[job_id].add(entry.fence)
    outcomes.double = sum(len(fences) > 1 for fences in committed.values())
    for entries in began.values():
        entries.sort(key=lambda entry: entry.fence)
        outcomes.unexplained += sum(not _had_fault(fleet, before, after) for before, after in pairwise(entries))
    return outcomes


def _had_fault(fleet: Fleet, before: _Entry, after: _Entry) -> bool:
    # A stop that began before the attempt may still last, when orders came at the same time.
    return any(pid == before.pid and before.at - 2 * LEASE_S < at < after.at for pid, at in fleet.faulted)


async def _count_outcomes(fleet: Fleet, accepted: list[str]) -> Outcomes:
    redis = connect_async(fleet.redis.url)
    jobs, blobs, erasure = Jobs(redis), Blobs(fleet.blobs), Erasure(redis)
    try:
        async with asyncio.timeout(HANG_S):
            while await QueueStatus(redis).depth():
                await asyncio.to_thread(fleet.keep)
                await asyncio.sleep(0.2)
        reservations_left = await _held(redis)  # a blob under a reservation is not swept
        await Sweep(jobs, Admission(redis), Repair(redis), blobs, idle_s=0)(0)
        await Erase(erasure, blobs, 0)()
        outcomes = Outcomes(accepted=len(set(accepted)))
        results = set()
        for job_id in set(accepted):
            job = await jobs.find(job_id)
            if not isinstance(job, Job) or not job.state.terminal:
                outcomes.lost += 1
                continue
            outcomes.extra_attempts += int(await redis.hget(keys.job(job_id), "attempts") or 1) - 1
            if job.state is State.FAILED:
                outcomes.failed += 1
            elif job.result is None or not (fleet.blobs / job.result).is_file():
                outcomes.lost += 1
            else:
                outcomes.done += 1
                results.add(job.result)
        # A job of which no client knows that it was accepted has a result, too.
        async for key in redis.scan_iter(match=keys.job("*")):
            results.add(await redis.hget(key, "result"))
        found = {name for part in (UPLOADS, RESULTS) async for name, _ in blobs.ages(part)}
        outcomes.blobs_left = len(found - results)
        outcomes.reservations_left = reservations_left
    finally:
        await redis.aclose()
    return outcomes


async def _held(redis: Redis) -> int:
    """Count the reservations that are still renewed: those of a killed gateway end with their leases."""
    for last in await redis.zrange(keys.RESERVED, -1, -1):
        until_ms = await redis.zscore(keys.RESERVED, str(last))
        await asyncio.sleep(max(0.0, (until_ms or 0.0) - now_ms()) / 1000)
    return int(await redis.zcount(keys.RESERVED, now_ms(), "+inf"))
