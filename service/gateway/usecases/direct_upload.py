"""Videos that go straight to the store: the gateway gives the URL, the client uploads, the job refers to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ulid import ULID

from mien.contract.containers import HEAD_BYTES
from mien.contract.errors import EmptyUpload, InvalidOption, NoSuchUpload
from mien.contract.options import AnalyzeOptions
from mien.contract.results import UploadSlot
from service.gateway.containers import check_container, too_large
from service.gateway.usecases.authenticate import Owner
from service.gateway.usecases.reservation import Reservation
from service.queue.admission import Admission, AdmissionLimits
from service.queue.jobs import Job, Jobs
from service.storage.blobs import Blobs, upload_name
from service.telemetry.traces import traceparent

_TTL_S = 3600


@dataclass(frozen=True)
class DirectUpload:
    """The use case, over its queue and store.

    Attributes:
        limits: the limits of admission.
        most_bytes: the largest upload.
        check_callback: raises InvalidOption where no callback can go to a URL.
    """

    admission: Admission
    jobs: Jobs
    blobs: Blobs
    limits: AdmissionLimits
    most_bytes: int
    check_callback: Callable[[str], None]

    async def slot(self, owner: Owner) -> UploadSlot:
        """Return where the owner may upload a video to, for an hour.

        Raises:
            NotOffered: the store takes nothing from outside.
        """
        upload_id = str(ULID())
        url = await asyncio.to_thread(self.blobs.upload_url, upload_name(owner.own(upload_id)), _TTL_S)
        return UploadSlot(id=upload_id, url=url, expires_at=datetime.now(UTC) + timedelta(seconds=_TTL_S))

    async def analyze(self, owner: Owner, upload_id: str, options: AnalyzeOptions) -> str:
        """Queue the analysis of a video that was uploaded, and return its job's id. A repeat is the same job.

        Raises:
            InvalidOption: no callback can go where it is asked to.
            NoSuchUpload: nothing was uploaded there.
            EmptyUpload, UploadTooLarge, UnsupportedContainer: what was uploaded is not taken, and erased.
            QueueFull: there is no room.
            StorageUnavailable, QueueUnavailable: what is needed does not answer.
        """
        if options.callback_url is not None:
            self.check_callback(options.callback_url)
        job_id = owner.own(upload_id)
        if not upload_id.isalnum():
            raise InvalidOption("An upload's id is given by POST /uploads.")
        if isinstance(await self.jobs.find(job_id), Job):
            return job_id
        name = upload_name(job_id)
        try:
            size, head = await self.blobs.head(name, HEAD_BYTES)
        except FileNotFoundError as error:
            raise NoSuchUpload(
                "Nothing was uploaded under this id yet: PUT the video to the slot's URL first."
            ) from error
        try:
            if size > self.most_bytes:
                raise too_large(self.most_bytes)
            if size == 0:
                raise EmptyUpload("The upload has no bytes. Send the video.")
            check_container(head)
        except Exception:
            await asyncio.to_thread(self.blobs.delete, [name])
            raise
        async with Reservation(self.admission, job_id, self.limits, size) as room:
            await room.check(size)
            await room.hold(size)
            await self.jobs.submit(job_id, upload=name, size=size, options=options, trace=traceparent())
        return job_id
