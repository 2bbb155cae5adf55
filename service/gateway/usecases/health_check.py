"""Check which parts of the service work: whether the queue and the store accept writes, and can be read."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mien.contract.errors import QueueUnavailable, StorageUnavailable, Unavailable
from service.queue.status import QueueStatus
from service.storage.blobs import Blobs

# Anyone may ask whether the service is ready, so the store is tried at most once in this time.
_STORE_EVERY_S = 1.0
_STORE_ANSWERS_WITHIN_S = 5.0


@dataclass(frozen=True)
class Availability:
    """Which parts fail, and which operations work.

    Attributes:
        failing: why the queue or the store accepts no writes, by the part's name.
        works: the operations that work: `analyze`, `read` (states, events, lists), `results`, `delete`, `live`.
    """

    failing: dict[str, Unavailable]
    works: list[str]


class HealthCheck:
    """Check the parts that all gateways share."""

    def __init__(self, queue: QueueStatus, blobs: Blobs) -> None:
        self._queue = queue
        self._blobs = blobs
        self._lock = asyncio.Lock()
        self._looked_at = float("-inf")
        self._store: tuple[Unavailable | None, bool] = (None, True)

    async def __call__(self) -> Availability:
        """Return what works now."""
        (queue_fails, queue_reads), (store_fails, store_reads) = await asyncio.gather(
            self._look_at_queue(), self._look_at_store()
        )
        can = {
            "analyze": not queue_fails and not store_fails,
            "read": queue_reads,
            "results": queue_reads and store_reads,
            "delete": not queue_fails and store_reads,
            "live": not queue_fails,
        }
        parts = {"queue": queue_fails, "store": store_fails}
        return Availability(
            failing={name: error for name, error in parts.items() if error is not None},
            works=[name for name, works in can.items() if works],
        )

    async def _look_at_queue(self) -> tuple[Unavailable | None, bool]:
        try:
            await self._queue.depth()
        except QueueUnavailable as error:
            return error, False
        try:
            await self._queue.probe()
        except QueueUnavailable as error:
            return error, True
        return None, True

    async def _look_at_store(self) -> tuple[Unavailable | None, bool]:
        async with self._lock:
            if time.monotonic() - self._looked_at > _STORE_EVERY_S:
                self._store = await self._try_store()
                self._looked_at = time.monotonic()
        return self._store

    async def _try_store(self) -> tuple[Unavailable | None, bool]:
        try:
            async with asyncio.timeout(_STORE_ANSWERS_WITHIN_S):
                await self._blobs.probe()
        except TimeoutError:
            return StorageUnavailable("The store does not answer at the moment. Try again shortly.", 5), False
        except StorageUnavailable as error:
            try:
                async with asyncio.timeout(_STORE_ANSWERS_WITHIN_S):
                    return error, await self._blobs.readable()
            except TimeoutError:
                return error, False
        return None, True
