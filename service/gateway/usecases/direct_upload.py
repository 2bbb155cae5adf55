"""Videos that go straight to the store: the gateway gives the URL, the client uploads, the job refers to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ulid import ULID

from mien.contract.containers import HEAD_BYTES, Container
from mien.contract.errors import (
    DigestMismatch,
    EmptyUpload,
    Expired,
    NoSuchUpload,
    QueueFull,
    QueueUnavailable,
    QuotaReached,
)
from mien.contract.options import AnalyzeOptions
from mien.contract.results import UploadSlot
from service.gateway.containers import check_container, too_large
from service.gateway.usecases.authenticate import Owner
from service.gateway.usecases.pricing import price_of
from service.gateway.usecases.reservation import Reservation, refuse
from service.queue.admission import Admission, AdmissionLimits
from service.queue.connection import nothing_changed
from service.queue.jobs import Job, Jobs
from service.storage.blobs import Blobs, incoming_name, taken_name
from service.telemetry.traces import traceparent

_UPLOAD_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_TTL_S = 3600
_LATE_S = 3600  # for an upload that began just before its URL expired


@dataclass(frozen=True)
class DirectUpload:
    """Give URLs for uploads, and analyse what was uploaded there.

    Attributes:
        limits: the limits of admission.
        most_bytes: the largest upload.
        containers: the accepted containers.
        check_callback: raises InvalidOption if callbacks to a URL are not allowed.
    """

    admission: Admission
    jobs: Jobs
    blobs: Blobs
    limits: AdmissionLimits
    most_bytes: int
    containers: Sequence[Container]
    check_callback: Callable[[str], None]

    async def slot(self, owner: Owner) -> UploadSlot:
        """Return a URL to which the owner may upload a video for an hour.

        Raises:
            NotOffered: the store has no presigned URLs.
            QueueFull, QuotaReached: too many slots are open.
        """
        upload_id = str(ULID())
        job_id = owner.own(upload_id)
        url = await asyncio.to_thread(self.blobs.upload_url, incoming_name(job_id), _TTL_S)
        refuse(await self.admission.open_slot(job_id, self.limits, _TTL_S + _LATE_S))
        return UploadSlot(id=upload_id, url=url, expires_at=datetime.now(UTC) + timedelta(seconds=_TTL_S))

    async def analyze(self, owner: Owner, upload_id: str, options: AnalyzeOptions, sha256: str | None = None) -> str:
        """Queue the analysis of an uploaded video and return its job's id; a repeated call returns the same job.

        A copy is checked and analysed: whatever is uploaded to the slot's URL afterwards is deleted. The copy is also
        compared with `sha256`, in hexadecimal, if the client gives one.

        Raises:
            InvalidOption: callbacks to the given URL are not allowed.
            NoSuchUpload: no upload can have this id, or nothing was uploaded there.
            Expired: its analysis was erased.
            EmptyUpload, UploadTooLarge, UnsupportedContainer: the upload is not accepted, and erased.
            DigestMismatch: the upload has another digest; the slot stays open.
            QueueFull, QuotaReached: there is no room.
            StorageUnavailable, QueueUnavailable: the store or the queue does not answer.
        """
        if options.callback_url is not None:
            self.check_callback(options.callback_url)
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise NoSuchUpload("No upload has this id. Ids are given by POST /uploads.")
        job_id = owner.own(upload_id)
        found = await self.jobs.find(job_id)
        if isinstance(found, Job):
            return job_id
        if found is not None:
            raise Expired("The analysis of this upload was erased. Upload the video again to a new slot.")
        incoming, taken = incoming_name(job_id), taken_name(job_id)
        try:
            size, head = await self.blobs.head(incoming, HEAD_BYTES)
            await self._check(incoming, size, head)
            async with Reservation(self.admission, job_id, self.limits, self.most_bytes) as room:
                await room.check(size)
                await room.hold(size)
                await self.blobs.copy(incoming, taken)
                size, head = await self.blobs.head(taken, HEAD_BYTES)
                await self._check(taken, size, head)
                if sha256 is not None:
                    await self._check_digest(taken, sha256.lower())
                await room.hold(size)
                price = await price_of(self.blobs, taken, size)
                await self.jobs.submit(
                    job_id, upload=taken, size=size, price=price, options=options, trace=traceparent()
                )
        except FileNotFoundError as error:
            raise NoSuchUpload(
                "Nothing was uploaded under this id yet: PUT the video to the slot's URL first."
            ) from error
        except (QueueFull, QuotaReached):
            await self._erase(taken)
            raise
        except QueueUnavailable as error:
            if nothing_changed(error):
                await self._erase(taken)
            raise
        await self.admission.close_slot(job_id)
        await self._erase(incoming)
        accepted = await self.jobs.find(job_id)
        if isinstance(accepted, Job) and accepted.upload != taken:  # another request was faster
            await self._erase(taken)
        return job_id

    async def _check(self, name: str, size: int, head: bytes) -> None:
        """Check what was uploaded, and erase it if it is not accepted."""
        try:
            if size > self.most_bytes:
                raise too_large(self.most_bytes)
            if size == 0:
                raise EmptyUpload("The upload has no bytes. Send the video.")
            check_container(head, self.containers)
        except Exception:
            await self._erase(name)
            raise

    async def _check_digest(self, name: str, sha256: str) -> None:
        found = await self.blobs.sha256(name)
        if found != sha256:
            await self._erase(name)
            raise DigestMismatch(
                f"The SHA-256 of what was uploaded is {found}, and of what should have been it is {sha256}. Upload the "
                "video to the slot's URL again."
            )

    async def _erase(self, name: str) -> None:
        await asyncio.to_thread(self.blobs.delete, [name])
