"""Repair what crashes leave behind in the queue: lost stream entries, expired jobs on lists, dead workers."""

from __future__ import annotations

from redis.asyncio import Redis

from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors
from service.queue.scripts import script

_LISTED_AT_ONCE = 500
_IDLE_MS = 3_600_000  # a consumer that asked for nothing for so long is a dead worker's


class Repair:
    """Repair the queue, one gateway in a round. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._requeue = redis.register_script(script("requeue"))

    async def take_sweep(self, round_s: int) -> bool:
        """Return whether this gateway is to sweep in this round of `round_s` seconds."""
        async with translate_errors():
            return bool(await self._redis.set(keys.SWEEPER, "1", nx=True, ex=round_s))

    async def renew_sweep(self, round_s: int) -> None:
        """Keep other gateways from sweeping for `round_s` seconds from now."""
        async with translate_errors():
            await self._redis.expire(keys.SWEEPER, round_s)

    async def reconcile(self) -> int:
        """Queue anew the live jobs that have lost their stream entry; return how many there were."""
        found = 0
        async with translate_errors():
            async for member, _ in self._redis.zscan_iter(keys.LIVE):
                job_id = str(member)
                found += int(await self._requeue(keys=[keys.job(job_id), keys.QUEUE, keys.LIVE], args=[job_id]))
        return found

    async def forget_expired(self) -> None:
        """Remove expired jobs from the lists."""
        async with translate_errors():
            async for listed in self._redis.scan_iter(match=keys.ALL_JOBS, count=_LISTED_AT_ONCE):
                await self._forget_expired(str(listed))

    async def _forget_expired(self, listed: str) -> None:
        at = None
        while at != 0:
            at, places = await self._redis.zscan(listed, cursor=at or 0, count=_LISTED_AT_ONCE)
            async with self._redis.pipeline(transaction=False) as pipe:
                for place, _ in places:
                    pipe.exists(keys.job(str(place).partition(":")[2]))
                there = await pipe.execute()
            expired = [place for (place, _), is_there in zip(places, there, strict=True) if not is_there]
            if expired:
                await self._redis.zrem(listed, *expired)

    async def forget_dead_workers(self) -> None:
        """Remove the traces of workers that died: their registration's name, and their consumer if it holds nothing."""
        async with translate_errors():
            await self._redis.zremrangebyscore(keys.WORKERS, "-inf", now_ms() - keys.WORKER_TTL_S * 1000)
            if not await self._redis.exists(keys.QUEUE):
                return
            for group in await self._redis.xinfo_groups(keys.QUEUE):
                for consumer in await self._redis.xinfo_consumers(keys.QUEUE, group["name"]):
                    # A job may be handed back to the consumer of those at any moment: deleted, it would be lost.
                    idle = consumer["name"] != keys.RELEASED and consumer["idle"] > _IDLE_MS
                    if consumer["pending"] == 0 and idle:
                        await self._redis.xgroup_delconsumer(keys.QUEUE, group["name"], consumer["name"])
