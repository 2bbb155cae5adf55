"""Put right what crashes leave behind: orphaned blobs, unfinished uploads, jobs that fell between.

One gateway of all does each round. A blob is removed only when it is old and no job owns it any more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from mien.contract.errors import Unavailable
from service.queue.jobs import Job, Jobs
from service.queue.repair import Repair
from service.storage.blobs import RESULTS, UPLOADS, Blobs, job_of

log = structlog.get_logger()

# A blob is this old before it can be an orphan: longer than from its last byte to its job's next step.
_GRACE_S = 600.0


@dataclass(frozen=True)
class Sweep:
    """The use case, over its queue and store; `idle_s` is the longest that an upload may stand still."""

    jobs: Jobs
    repair: Repair
    blobs: Blobs
    idle_s: float

    async def every(self, round_s: int) -> None:
        """Sweep every `round_s` seconds, for ever."""
        while True:
            try:
                if await self.repair.take_sweep(round_s):
                    await self(_GRACE_S)
            except Unavailable as error:
                log.warning("sweep put off", reason=error.detail)
            await asyncio.sleep(round_s)

    async def __call__(self, grace_s: float) -> None:
        """Sweep once; blobs younger than `grace_s` seconds are left alone."""
        unfinished = await asyncio.to_thread(self.blobs.sweep_unfinished, max(grace_s, self.idle_s))
        requeued = await self.repair.reconcile()
        await self.repair.forget_dead_workers()
        await self.repair.forget_expired()
        orphans = [name for prefix in (UPLOADS, RESULTS) for name in await self._orphans(prefix, grace_s)]
        await asyncio.to_thread(self.blobs.delete, orphans)
        if unfinished or requeued or orphans:
            log.info("swept", unfinished=unfinished, requeued=requeued, orphans=len(orphans))

    async def _orphans(self, prefix: str, grace_s: float) -> list[str]:
        orphans = []
        async for name in self.blobs.older_than(prefix, grace_s):
            job = await self.jobs.find(job_of(name))
            # While the job lives, a result that it does not name yet may be one about to be committed.
            if not (isinstance(job, Job) and (job.result == name or not job.state.terminal)):
                orphans.append(name)
        return orphans
