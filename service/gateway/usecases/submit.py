"""Take a video in and queue it: admit → stream to a temporary blob → finalise → one script → accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ulid import ULID

from service.contract.errors import QueueFull
from service.contract.options import AnalyzeOptions
from service.gateway.metrics import REFUSALS, UPLOADED_BYTES
from service.queue.producer import Producer, Room
from service.storage.blobs import Blobs, upload_name

_FULL = {
    "jobs": "There are as many jobs queued as this service takes.",
    "bytes": "The store has no room for this upload.",
    "wait": "The queue is too long to take more at the moment.",
}
_RETRY_AFTER_S = 30


@dataclass(frozen=True)
class Submit:
    """The use case, over its queue and store.

    Attributes:
        room: the bounds of admission.
        upload_max_s: for how long an upload's room stays reserved.
    """

    producer: Producer
    blobs: Blobs
    room: Room
    upload_max_s: float

    async def admit(self, most_bytes: int) -> str:
        """Reserve room for an upload of at most `most_bytes`; return the id of its job.

        Raises:
            QueueFull: there is no room.
            QueueUnavailable: the queue does not answer.
        """
        job_id = str(ULID())
        lacking = await self.producer.admit(job_id, most_bytes, self.room, self.upload_max_s)
        if lacking is not None:
            REFUSALS.labels(f"full_{lacking}").inc()
            raise QueueFull(f"{_FULL[lacking]} Try again later.", _RETRY_AFTER_S)
        return job_id

    async def receive(
        self, job_id: str, video: AsyncIterator[bytes], options: AnalyzeOptions, *, reserved: int
    ) -> None:
        """Store an admitted upload and queue its job; when this returns, the job is accepted.

        Raises:
            MienError: whatever `video` raises, or the store's or the queue's failure; the upload is given up.
        """
        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in video:
                size += len(piece)
                UPLOADED_BYTES.inc(len(piece))
                yield piece

        upload = upload_name(job_id)
        try:
            await self.blobs.write(upload, counted())
        except BaseException:
            # A client that went away must not take the room along with it.
            await asyncio.shield(self.producer.abandon(job_id, reserved))
            raise
        # Where this fails, the job may have been accepted all the same: the blob stays, for the sweeper to judge.
        await asyncio.shield(self.producer.submit(job_id, reserved=reserved, upload=upload, size=size, options=options))
