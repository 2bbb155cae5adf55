"""End the requests under way whose API key is revoked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from mien.contract.errors import KeyRefused, QueueUnavailable
from service.queue.key_ring import ValidKeys

log = structlog.get_logger()
audit = structlog.get_logger(log="audit")

_LOOK_S = 2.0


class KeysInUse:
    """The API keys of one gateway's requests under way, looked up together while `watch` runs.

    However many requests there are, each look is one command.
    """

    def __init__(self, keys: ValidKeys) -> None:
        self._keys = keys
        self._limits: defaultdict[str, set[asyncio.Timeout]] = defaultdict(set)
        # An event stream uses its key anew for each event, so revoked keys are remembered; they never become valid.
        self._revoked: set[str] = set()

    @asynccontextmanager
    async def using(self, key_id: str) -> AsyncIterator[None]:
        """Run the block as long as a key is valid.

        Raises:
            KeyRefused: the key was revoked; a block under way was cancelled.
        """
        limit = asyncio.timeout(None)
        try:
            async with limit:
                if key_id in self._revoked:
                    raise _refused()
                self._limits[key_id].add(limit)
                try:
                    yield
                finally:
                    self._limits[key_id].discard(limit)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise _refused() from error

    async def watch(self) -> None:
        """Look every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look()
            except QueueUnavailable as error:
                log.warning("keys not looked up", reason=error.detail)

    async def look(self) -> None:
        """End the requests whose key is not valid any more."""
        used = list(self._limits)
        valid = await self._keys.valid(used)
        now = asyncio.get_running_loop().time()
        for key_id in used:
            limits = self._limits[key_id]
            if key_id not in valid:
                self._revoked.add(key_id)
                audit.info("requests of a revoked key ended", key=key_id, count=len(limits))
                for limit in limits:
                    limit.reschedule(now)
            if key_id not in valid or not limits:
                del self._limits[key_id]


def _refused() -> KeyRefused:
    return KeyRefused("This API key was revoked. Send a valid one.")
