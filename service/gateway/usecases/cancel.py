"""Cancel an analysis and erase all of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from mien.contract.errors import Expired, NoSuchAnalysis, Unavailable
from service.gateway.usecases.authenticate import audit, public_id
from service.queue.erasure import Erasure
from service.queue.job_ids import owner_of
from service.queue.jobs import Jobs
from service.storage.blobs import Blobs

log = structlog.get_logger()


@dataclass(frozen=True)
class Cancel:
    """Cancel and erase analyses."""

    jobs: Jobs
    blobs: Blobs
    erasure: Erasure

    async def __call__(self, job_id: str) -> None:
        """Erase an analysis in any state; blobs that the store cannot delete now are deleted once it works again.

        A worker that runs it stops within a second, or within a lease if it makes no progress.

        Raises:
            NoSuchAnalysis: there is none.
            Expired: it was erased already.
            QueueUnavailable: the queue does not answer.
        """
        erased = await self.jobs.cancel(job_id)
        audit.info("analysis deleted", key=owner_of(job_id), analysis=public_id(job_id), found=erased is not None)
        if erased is None:
            if await self.jobs.find(job_id) is None:
                raise NoSuchAnalysis("No analysis has this id. Ids are given by POST /analyze.")
            raise Expired("This analysis was erased already.")
        names = [erased.upload] + ([erased.result] if erased.result else [])
        try:
            await asyncio.to_thread(self.blobs.delete, names)
            await self.erasure.done(names)
        except Unavailable as error:
            log.warning("erasure put off", reason=error.detail)
