"""Accept a video and queue it: check for room → stream to a temporary blob → finalise → one script → accepted.

Room is reserved as the bytes arrive.

A request with an idempotency key is accepted once. While its upload is under way no other request gets the key; once it
is accepted, a repeat's body is read and compared, never stored, and the repeat joins the job that there is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ulid import ULID

from mien.contract.errors import Expired, KeyInUse, KeyReused, QueueUnavailable
from mien.contract.options import AnalyzeOptions
from service.gateway.metrics import UPLOADED_BYTES
from service.gateway.usecases.authenticate import Owner
from service.gateway.usecases.pricing import price_of
from service.gateway.usecases.reservation import Reservation
from service.queue.admission import Admission, AdmissionLimits, IdempotentRequest, KeyHolder
from service.queue.connection import nothing_changed
from service.queue.jobs import Job, Jobs
from service.storage.blobs import Blobs, upload_name
from service.telemetry.traces import traceparent

_RETRY_IN_USE_AFTER_S = 2


@dataclass(frozen=True)
class Submit:
    """Accept videos and queue their analyses.

    Attributes:
        limits: the limits of admission.
        most_bytes: the largest upload.
        upload_idle_s: longest time without progress of an upload; after its gateway died, a key is held for twice as
            long.
        check_callback: raises InvalidOption if callbacks to a URL are not allowed.
    """

    admission: Admission
    jobs: Jobs
    blobs: Blobs
    limits: AdmissionLimits
    most_bytes: int
    upload_idle_s: float
    check_callback: Callable[[str], None]

    async def __call__(
        self,
        owner: Owner,
        video: AsyncIterator[bytes],
        options: AnalyzeOptions,
        *,
        declared: int | None = None,
        key: str | None = None,
    ) -> str:
        """Accept a video and return the id of its job, which may be that of an earlier request with the same `key`.

        Args:
            owner: the owner of the analysis.
            video: its bytes, read only when there is room for them.
            options: the options of the analysis.
            declared: the maximum number of bytes, if the client declares it.
            key: the request's idempotency key.

        Raises:
            InvalidOption: callbacks to the given URL are not allowed.
            QueueFull: there is no room.
            KeyInUse: the first request with this key is still uploading.
            KeyReused: the key was used for another video or other options.
            Expired: the job of this key was erased.
            MienError: an error that `video` raises, or a failure of the store or the queue; the upload is discarded.
        """
        if options.callback_url is not None:
            self.check_callback(options.callback_url)
        job_id = owner.own(str(ULID()))
        if key is None:
            await self._receive(job_id, video, options, declared)
            return job_id
        key = owner.own_name(key)
        earlier = await self._claim(key, job_id)
        if earlier is not None:
            return await self._join(earlier, video, options)
        try:
            earlier = await self._receive(job_id, video, options, declared, key)
        except BaseException:
            await self.admission.unclaim(key, job_id)
            raise
        return job_id if earlier is None else earlier.job_id

    async def _receive(
        self,
        job_id: str,
        video: AsyncIterator[bytes],
        options: AnalyzeOptions,
        declared: int | None,
        key: str | None = None,
    ) -> KeyHolder | None:
        """Store an upload and queue its job, or return the job that a faster request with the same key queued."""
        most_bytes = self.most_bytes if declared is None else declared
        async with Reservation(self.admission, job_id, self.limits, most_bytes) as room:
            await room.check(declared or 1)
            upload = upload_name(job_id)
            size, digest = await self._store(upload, video, room, job_id, key)
            price = await price_of(self.blobs, upload, size)
            request = None if key is None else IdempotentRequest(key, digest)
            try:
                earlier = await self.jobs.submit(
                    job_id,
                    upload=upload,
                    size=size,
                    price=price,
                    options=options,
                    request=request,
                    trace=traceparent(),
                )
            except QueueUnavailable as error:
                # Otherwise the job may have been accepted, so the blob is left to the sweeper.
                if nothing_changed(error):
                    await asyncio.to_thread(self.blobs.delete, [upload])
                raise
            if earlier is not None:
                await asyncio.to_thread(self.blobs.delete, [upload])
                _check_same(earlier, options, digest)
            return earlier

    async def _store(
        self, upload: str, video: AsyncIterator[bytes], room: Reservation, job_id: str, key: str | None
    ) -> tuple[int, str]:
        """Write a video to the store; return its size and, if there is a `key`, its digest."""
        size = 0
        digest = hashlib.sha256()
        claimed_at = asyncio.get_running_loop().time()

        async def passing() -> AsyncIterator[bytes]:
            nonlocal size, claimed_at
            async for piece in video:
                size += len(piece)
                UPLOADED_BYTES.inc(len(piece))
                await room.hold(size)
                if key is not None:
                    digest.update(piece)
                    if (now := asyncio.get_running_loop().time()) - claimed_at > self.upload_idle_s / 2:
                        await self._claim(key, job_id)
                        claimed_at = now
                yield piece

        await self.blobs.write(upload, passing())
        return size, digest.hexdigest() if key is not None else ""

    async def _claim(self, key: str, job_id: str) -> KeyHolder | None:
        return await self.admission.claim(key, job_id, hold_s=2 * self.upload_idle_s)

    async def _join(self, earlier: KeyHolder, video: AsyncIterator[bytes], options: AnalyzeOptions) -> str:
        if not earlier.accepted:
            raise KeyInUse(
                "The first request with this Idempotency-Key is still uploading. Send this one again when it is done.",
                _RETRY_IN_USE_AFTER_S,
            )
        _check_same(earlier, options)
        if not isinstance(await self.jobs.find(earlier.job_id), Job):
            raise _gone()
        digest = hashlib.sha256()
        async for piece in video:
            digest.update(piece)
        _check_same(earlier, options, digest.hexdigest())
        return earlier.job_id


def _check_same(earlier: KeyHolder, options: AnalyzeOptions, digest: str | None = None) -> None:
    if earlier.erased:
        raise _gone()
    if earlier.options != options or (digest is not None and digest != earlier.digest):
        raise KeyReused(
            "This Idempotency-Key was used for another video or other options. Send another key for another request."
        )


def _gone() -> Expired:
    return Expired("The analysis of this Idempotency-Key was erased. Send another key for a new one.")
