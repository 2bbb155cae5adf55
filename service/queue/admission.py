"""Admission: whether there is room for an upload, and who holds an idempotency key.

What an upload reserves is a lease of the gateway that receives it: it ends soon after that gateway was killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis

from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors
from service.queue.scripts import script
from service.queue.status import QueueStatus

LackingResource = Literal["jobs", "bytes", "wait"]


@dataclass(frozen=True)
class AdmissionLimits:
    """Limits on the queued jobs, the stored bytes and the estimated wait."""

    jobs: int
    bytes: int
    wait_s: float


@dataclass(frozen=True)
class IdempotentRequest:
    """Identify a request by its client's idempotency key and its video's SHA-256 in hex."""

    key: str
    digest: str


@dataclass(frozen=True)
class KeyHolder:
    """The request that holds an idempotency key; without options and digest until it is accepted.

    One whose analysis was erased has left nothing but the fact: `erased`.
    """

    job_id: str
    options: AnalyzeOptions | None = None
    digest: str | None = None
    erased: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it stands for a job."""
        return self.digest is not None


class Admission:
    """Reserve room for uploads and claim idempotency keys. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._status = QueueStatus(redis)
        self._admit = redis.register_script(script("admit"))
        self._claim = redis.register_script(script("claim"))
        self._unclaim = redis.register_script(script("unclaim"))

    async def check(self, job_id: str, size: int, limits: AdmissionLimits) -> LackingResource | None:
        """Return what an upload of `size` bytes would find no room for, or None; nothing is reserved."""
        rate = sum(worker.bytes_per_s for worker in await self._status.workers())
        return await self._look(job_id, size, limits, rate, lease_s=0)

    async def reserve(self, job_id: str, size: int, limits: AdmissionLimits, lease_s: float) -> LackingResource | None:
        """Reserve `size` bytes in all for an upload for `lease_s` seconds, or return what there is no room for."""
        return await self._look(job_id, size, limits, 0.0, lease_s)

    async def renew(self, job_id: str, lease_s: float) -> None:
        """Renew the lease of an upload's reservation, if there still is one."""
        async with translate_errors():
            await self._redis.zadd(keys.RESERVED, {job_id: now_ms() + int(lease_s * 1000)}, xx=True)

    async def release(self, job_id: str) -> None:
        """Give back the room reserved for an upload that came to nothing."""
        async with translate_errors(), self._redis.pipeline() as pipe:
            pipe.zrem(keys.RESERVED, job_id)
            pipe.hdel(keys.RESERVED_BYTES, job_id)
            await pipe.execute()

    async def _look(
        self, job_id: str, size: int, limits: AdmissionLimits, bytes_per_s: float, lease_s: float
    ) -> LackingResource | None:
        now = now_ms()
        until = now + int(lease_s * 1000) if lease_s else 0
        async with translate_errors():
            verdict = await self._admit(
                keys=[keys.QUEUE, keys.LIVE_BYTES, keys.RESERVED, keys.RESERVED_BYTES, keys.PROBE],
                args=[now, until, job_id, size, limits.jobs, limits.bytes, limits.wait_s, bytes_per_s],
            )
        return verdict or None

    async def claim(self, key: str, job_id: str, hold_s: float) -> KeyHolder | None:
        """Claim an idempotency key for `hold_s` seconds, or say who has it. Safe to repeat, to hold it for longer."""
        async with translate_errors():
            holder = await self._claim(keys=[keys.idempotency(key)], args=[job_id, int(hold_s * 1000)])
        return parse_key_holder(holder)

    async def unclaim(self, key: str, job_id: str) -> None:
        """Give up the claim of an upload that came to nothing."""
        async with translate_errors():
            await self._unclaim(keys=[keys.idempotency(key)], args=[job_id])


def parse_key_holder(holder: list[str]) -> KeyHolder | None:
    """Return the request that a script names as the holder of an idempotency key, or None where it names none."""
    match holder:
        case ["", "", ""]:
            return KeyHolder("", digest="", erased=True)
        case [job_id, options, digest]:
            return KeyHolder(job_id, AnalyzeOptions.model_validate_json(options), digest)
        case [job_id]:
            return KeyHolder(job_id)
    return None
