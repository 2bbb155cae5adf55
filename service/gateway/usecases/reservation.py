"""Reserve room for an upload as its bytes come, for as long as this gateway lives."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

import structlog

from mien.contract.errors import QueueFull, QueueUnavailable
from service.gateway.metrics import REFUSALS
from service.queue.admission import Admission, AdmissionLimits, LackingResource

log = structlog.get_logger()

# As short as a worker's lease by default: what a killed gateway held is free again that soon.
LEASE_S = 30.0

_FULL: dict[LackingResource, str] = {
    "jobs": "There are as many jobs queued as this service takes.",
    "bytes": "The store has no room for this upload.",
    "wait": "The queue is too long to take more at the moment.",
}
_RETRY_AFTER_S = 30
# Each step reserves as much again as has come, within these bounds: who sends little holds little.
_LEAST_STEP, _MOST_STEP = 64 << 10, 8 << 20


class Reservation:
    """The room of one upload. Used as a context, it is renewed while that lasts, and given back where it fails.

    Args:
        admission: the queue's end.
        job_id: whose upload it is.
        limits: the limits of admission.
        most_bytes: the largest that the upload can be.
    """

    def __init__(self, admission: Admission, job_id: str, limits: AdmissionLimits, most_bytes: int) -> None:
        self._admission = admission
        self._job_id = job_id
        self._limits = limits
        self._most_bytes = most_bytes
        self._reserved = 0
        self._asked = False
        self._keeper: asyncio.Task[None] | None = None

    async def check(self, size: int) -> None:
        """Check that there is room for an upload of `size` bytes, before any of them is read.

        Raises:
            QueueFull: there is none.
        """
        _refuse(await self._admission.check(self._job_id, size, self._limits))

    async def hold(self, size: int) -> None:
        """Hold room for the first `size` bytes of the upload, and some more.

        Raises:
            QueueFull: there is none.
        """
        if size <= self._reserved:
            return
        ahead = min(max(size, _LEAST_STEP), _MOST_STEP)
        wanted = max(size, min(size + ahead, self._most_bytes))
        self._asked = True
        _refuse(await self._admission.reserve(self._job_id, wanted, self._limits, LEASE_S))
        self._reserved = wanted
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def __aenter__(self) -> Reservation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        if self._asked and error is not None:  # else it went with the job's submission
            with suppress(QueueUnavailable):  # then it ends with its lease
                await self._admission.release(self._job_id)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 4)
            try:
                await self._admission.renew(self._job_id, LEASE_S)
            except QueueUnavailable as error:
                log.warning("reservation not renewed", reason=error.detail)


def _refuse(lacking: LackingResource | None) -> None:
    if lacking is not None:
        REFUSALS.labels(f"full_{lacking}").inc()
        raise QueueFull(f"{_FULL[lacking]} Try again later.", _RETRY_AFTER_S)
