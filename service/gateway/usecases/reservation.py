"""Reserve room for an upload as its bytes arrive, under a lease of this gateway."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

from mien.contract.errors import QueueFull, QueueUnavailable, QuotaReached
from service.gateway.metrics import REFUSALS
from service.gateway.usecases.lease import LEASE_S, keep_renewing
from service.queue.admission import Admission, AdmissionLimits, Lacking, NoRoom

_FULL: dict[Lacking, str] = {
    "jobs": "The maximum number of jobs is queued.",
    "bytes": "The store has no room for this upload.",
    "wait": "The queue is too long at the moment.",
    "slots": "The maximum number of upload slots is open.",
    "key_jobs": "This API key has the maximum number of analyses under way.",
    "key_uploads": "This API key has the maximum number of uploads under way and upload slots open.",
    "key_video": "This API key has used up its seconds of video for one day.",
}
# Each step reserves as much again as has arrived, within these bounds: a small upload holds little room.
_LEAST_STEP, _MOST_STEP = 64 << 10, 8 << 20


class Reservation:
    """Room for one upload. As a context manager, it renews the reservation, and releases it if the upload fails.

    Args:
        admission: the queue's admission.
        job_id: the job of the upload.
        limits: the limits of admission.
        most_bytes: maximum size of the upload.
    """

    def __init__(self, admission: Admission, job_id: str, limits: AdmissionLimits, most_bytes: int) -> None:
        self._admission = admission
        self._job_id = job_id
        self._limits = limits
        self._most_bytes = most_bytes
        self._reserved = 0
        self._attempted = False
        self._keeper: asyncio.Task[None] | None = None

    async def check(self, size: int) -> None:
        """Check that there is room for an upload of `size` bytes, before any of them is read.

        Raises:
            QueueFull, QuotaReached: there is none.
        """
        refuse(await self._admission.check(self._job_id, size, self._limits))

    async def hold(self, size: int) -> None:
        """Hold room for the first `size` bytes of the upload, and some more.

        Raises:
            QueueFull, QuotaReached: there is none.
        """
        if size <= self._reserved:
            return
        ahead = min(max(size, _LEAST_STEP), _MOST_STEP)
        wanted = max(size, min(size + ahead, self._most_bytes))
        self._attempted = True
        refuse(await self._admission.reserve(self._job_id, wanted, self._limits, LEASE_S))
        self._reserved = wanted
        if self._keeper is None:
            self._keeper = asyncio.create_task(keep_renewing(lambda: self._admission.renew(self._job_id, LEASE_S)))

    async def __aenter__(self) -> Reservation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        if self._attempted and error is not None:  # otherwise submitting the job has released it
            with suppress(QueueUnavailable):  # then it ends with its lease
                await self._admission.release(self._job_id)


def refuse(found: NoRoom | None) -> None:
    """Refuse an upload for which there is no room.

    Raises:
        QueueFull: the service has none.
        QuotaReached: the API key has none.
    """
    if found is None:
        return
    sentence = f"{_FULL[found.lacking]} Try again in {found.retry_after_s} s."
    REFUSALS.labels(f"full_{found.lacking}").inc()
    if found.lacking.startswith("key_"):
        raise QuotaReached(sentence, found.retry_after_s)
    raise QueueFull(sentence, found.retry_after_s)
