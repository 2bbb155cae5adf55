"""End the requests under way whose API key is revoked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import inf

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
        # When each key was found to be revoked. An event stream uses its key anew for each event, and may do so later.
        self._revoked_at: dict[str, float] = {}

    def use(self, key_id: str) -> Callable[[], AbstractAsyncContextManager[None]]:
        """Return a function for a request whose key is valid now: its contexts are those of `using`."""
        return partial(self.using, key_id, asyncio.get_running_loop().time())

    @asynccontextmanager
    async def using(self, key_id: str, valid_at: float) -> AsyncIterator[None]:
        """Run the block as long as a key, which was valid at `valid_at` on the loop's clock, is valid.

        Raises:
            KeyRefused: the key was revoked; a block under way was cancelled.
        """
        limit = asyncio.timeout(None)
        try:
            async with limit:
                if self._revoked_at.get(key_id, -inf) > valid_at:
                    raise _refused()
                limits = self._limits[key_id]
                limits.add(limit)
                try:
                    yield
                finally:
                    limits.discard(limit)
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
                self._revoked_at[key_id] = now
                audit.info("requests of a revoked key ended", key=key_id, count=len(limits))
                for limit in limits:
                    limit.reschedule(now)
            if key_id not in valid or not limits:
                del self._limits[key_id]


def _refused() -> KeyRefused:
    return KeyRefused("This API key was revoked. Send a valid one.")
