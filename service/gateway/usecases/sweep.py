"""Clean up what crashes leave behind: orphaned blobs, unfinished uploads, jobs without a stream entry.

One gateway runs each round. A blob is removed if its job has ended or was erased and does not refer to it, or if it is
old and its job never existed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from mien.contract.errors import Unavailable
from service.gateway.usecases.lease import keep_renewing
from service.queue.admission import Admission
from service.queue.jobs import Job, Jobs
from service.queue.repair import Repair
from service.storage.blobs import INCOMING, RESULTS, UPLOADS, Blobs, job_of

log = structlog.get_logger()

# Minimum age of an orphan: longer than the time from a blob's last byte to its job's next step.
_GRACE_S = 600.0
_LOOKED_UP_AT_ONCE = 500


@dataclass(frozen=True)
class Sweep:
    """Remove what crashes leave behind; `idle_s` is the longest time without progress of an upload."""

    jobs: Jobs
    admission: Admission
    repair: Repair
    blobs: Blobs
    idle_s: float

    async def every(self, round_s: int) -> None:
        """Sweep every `round_s` seconds, until cancelled."""
        while True:
            try:
                if await self.repair.take_sweep(round_s):
                    keeper = asyncio.create_task(keep_renewing(lambda: self.repair.renew_sweep(round_s)))
                    try:
                        await self(_GRACE_S)
                    finally:
                        keeper.cancel()
            except Unavailable as error:
                log.warning("sweep put off", reason=error.detail)
            await asyncio.sleep(round_s)

    async def __call__(self, grace_s: float) -> None:
        """Sweep once; blobs younger than `grace_s` seconds may belong to a job that is about to be accepted."""
        requeued = await self.repair.reconcile()
        await self.repair.forget_dead_workers()
        await self.repair.forget_expired()
        # The queue comes first, because the store may be out.
        arriving = await self.admission.reserved()
        unfinished = await asyncio.to_thread(self.blobs.sweep_unfinished, max(grace_s, self.idle_s), arriving)
        orphans = [name for prefix in (UPLOADS, RESULTS) for name in await self._orphans(prefix, grace_s)]
        orphans += await self._in_closed_slots()
        await asyncio.to_thread(self.blobs.delete, orphans)
        if unfinished or requeued or orphans:
            log.info("swept", unfinished=unfinished, requeued=requeued, orphans=len(orphans))

    async def _orphans(self, prefix: str, grace_s: float) -> list[str]:
        orphans: list[str] = []
        listed: list[tuple[str, float]] = []
        # An old upload may still be arriving, because a bucket may count its age from the upload's start: then room is
        # reserved for it. The reservations are looked up first, because a job replaces its own.
        arriving = await self.admission.reserved()
        async for name, age_s in self.blobs.ages(prefix):
            if age_s > grace_s and job_of(name) in arriving:
                continue
            listed.append((name, age_s))
            if len(listed) == _LOOKED_UP_AT_ONCE:
                orphans += await self._orphans_of(listed, prefix, grace_s)
                listed.clear()
        return orphans + await self._orphans_of(listed, prefix, grace_s)

    async def _orphans_of(self, listed: list[tuple[str, float]], prefix: str, grace_s: float) -> list[str]:
        orphans = []
        jobs = await self.jobs.find_all([job_of(name) for name, _ in listed])
        for (name, age_s), job in zip(listed, jobs, strict=True):
            owned = isinstance(job, Job) and _owns(job, name, prefix)
            if not owned and (job is not None or age_s > grace_s):
                orphans.append(name)
        return orphans

    async def _in_closed_slots(self) -> list[str]:
        """Return what was uploaded to slots that are used or expired."""
        found = [name async for name, _ in self.blobs.ages(INCOMING)]
        return [name for name in found if not await self.admission.is_slot_open(job_of(name))]


def _owns(job: Job, name: str, prefix: str) -> bool:
    """Return whether a job refers to a blob under `prefix`, or may yet."""
    if job.state.terminal:
        return job.result == name
    # Any attempt's result may be the one that is committed next.
    return prefix == RESULTS or job.upload == name
