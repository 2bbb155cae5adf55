"""The state of the queue as a whole: its depth and age, its workers, and the memory of Redis."""

from __future__ import annotations

from math import nan

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from mien.contract.workers import Registration
from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors


class QueueStatus:
    """Measure the queue. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def workers(self) -> list[Registration]:
        """Return the registrations of the workers that live."""
        async with translate_errors():
            names = [str(name) for name in await self._redis.zrange(keys.WORKERS, 0, -1)]
            found = await self._redis.mget([keys.worker(name) for name in names]) if names else []
        return [Registration.model_validate_json(text) for text in found if text]

    async def depth(self) -> int:
        """Return the number of jobs that have not ended."""
        async with translate_errors():
            return int(await self._redis.xlen(keys.QUEUE))

    async def oldest_s(self) -> float:
        """Return the age in seconds of the oldest job that has not ended; 0 if there is none."""
        async with translate_errors():
            found = await self._redis.zrange(keys.LIVE, 0, 0, withscores=True)
        return max(0.0, (now_ms() - float(found[0][1])) / 1000) if found else 0.0

    async def probe(self) -> None:
        """Raise QueueUnavailable if the queue accepts no writes, for example because its memory or disk is full."""
        async with translate_errors():
            await self._redis.set(keys.PROBE, "1", ex=60)

    async def memory(self) -> tuple[float, float]:
        """Return the bytes that Redis uses and may use (0: no limit); NaN if the server does not tell."""
        try:
            async with translate_errors():
                found = await self._redis.info("memory")
        except ResponseError:  # INFO counts as dangerous: an operator may have kept it from this user, or renamed it
            return nan, nan
        return found["used_memory"], found["maxmemory"]
