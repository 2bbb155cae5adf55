"""Erasure of what ended jobs leave behind: their blobs, and their data in Redis' append-only file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors

log = structlog.get_logger()

_AT_ONCE = 500


class Erasure:
    """List what is due, and make Redis rewrite its append-only file. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._refused = False

    async def due(self) -> list[str]:
        """Return the next things to erase: names of blobs, and keys that Redis has erased itself."""
        async with translate_errors():
            found = await self._redis.zrangebyscore(keys.ERASE, "-inf", now_ms(), start=0, num=_AT_ONCE)
        return cast("list[str]", found)

    async def done(self, erased: Sequence[str]) -> None:
        """Remove what is erased from the list, and note that the append-only file still contains it."""
        async with translate_errors(), self._redis.pipeline() as pipe:
            pipe.zrem(keys.ERASE, *erased)
            pipe.hincrby(keys.FILE, "erasures", len(erased))
            await pipe.execute()

    async def rewrite_file(self, pause_s: int) -> bool:
        """Make Redis rewrite its append-only file if it contains erased data, at most once in `pause_s` seconds.

        Returns whether a rewrite has begun.
        """
        async with translate_errors():
            erasures, rewritten = await self._redis.hmget(keys.FILE, ["erasures", "rewritten"])
            persistence = await self._persistence()
            last_worked = persistence.get("aof_last_bgrewrite_status", "ok") == "ok"
            if persistence.get("aof_enabled", 1) != 1 or (erasures == rewritten and last_worked):
                return False
            if not await self._redis.set(keys.REWRITE, "1", nx=True, ex=pause_s):
                return False
            try:
                await self._redis.bgrewriteaof()
            except ResponseError as error:  # another one runs, or this user may not use the command
                if not self._refused:
                    log.warning("Redis does not rewrite its file", reason=str(error))
                self._refused = True
                return False
            self._refused = False
            await self._redis.hset(keys.FILE, "rewritten", erasures or "0")
        return True

    async def _persistence(self) -> dict[str, int | str]:
        try:
            return cast("dict[str, int | str]", await self._redis.info("persistence"))
        except ResponseError:  # as in QueueStatus.memory
            return {}
