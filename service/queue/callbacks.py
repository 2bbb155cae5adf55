"""Due callbacks: each is taken by one gateway at a time, and postponed if it fails."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors
from service.queue.scripts import script


class Callbacks:
    """Take, postpone and end callbacks. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(script("take_callback"))
        self._postpone = redis.register_script(script("postpone_callback"))

    async def take(self, hidden_s: float) -> str | None:
        """Return the job whose callback is most overdue, if any, and hide it from others for `hidden_s` seconds."""
        now = now_ms()
        async with translate_errors():
            found = await self._take(keys=[keys.CALLBACKS], args=[now, now + int(hidden_s * 1000)])
        return None if found is None else str(found)

    async def postpone(self, job_id: str, pauses_s: Sequence[int]) -> bool:
        """Schedule a failed callback again after the next of the pauses; return False if none is left."""
        async with translate_errors():
            left = await self._postpone(keys=[keys.CALLBACKS, keys.job(job_id)], args=[job_id, now_ms(), *pauses_s])
        return bool(left)

    async def end(self, job_id: str) -> None:
        """Remove a callback."""
        async with translate_errors():
            await self._redis.zrem(keys.CALLBACKS, job_id)
