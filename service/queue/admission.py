"""Admission: whether there is room for an upload, and who holds an idempotency key.

A reservation is a lease of the gateway that receives the upload: it ends soon after that gateway was killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors
from service.queue.job_ids import owner_of
from service.queue.scripts import script
from service.queue.status import QueueStatus

# The workers' speed is cached for this long: they report it only every few seconds.
_RATE_FOR_S = 1.0

Lacking = Literal["jobs", "bytes", "wait", "slots", "key_jobs", "key_uploads", "key_video"]


class NoRoom(NamedTuple):
    """The exhausted resource, and the seconds after which to try again."""

    lacking: Lacking
    retry_after_s: int


@dataclass(frozen=True)
class AdmissionLimits:
    """Limits of the service, and of each API key.

    Attributes:
        jobs: jobs that have not ended, and uploads.
        bytes: the bytes of both.
        wait_s: the estimated wait in seconds.
        slots: slots open for uploads that go straight to the store.
        key_jobs: as `jobs`, of one key.
        key_uploads: uploads and open slots of one key.
        key_video_s: seconds of video that are analysed for one key in a day.
    """

    jobs: int
    bytes: int
    wait_s: float
    slots: int = 1000
    key_jobs: int = 100
    key_uploads: int = 20
    key_video_s: float = 24 * 3600


@dataclass(frozen=True)
class IdempotentRequest:
    """Identify a request by its client's idempotency key and its video's SHA-256 in hex."""

    key: str
    digest: str


@dataclass(frozen=True)
class KeyHolder:
    """The request that holds an idempotency key; without options and digest until it is accepted.

    If its analysis was erased, only `erased` is set.
    """

    job_id: str
    options: AnalyzeOptions | None = None
    digest: str | None = None
    erased: bool = False

    @property
    def accepted(self) -> bool:
        """Whether its job was accepted."""
        return self.digest is not None


class Admission:
    """Reserve room for uploads and claim idempotency keys. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._status = QueueStatus(redis)
        self._rate, self._rate_until = 0.0, 0.0
        self._admit = redis.register_script(script("uploads_of", "admit"))
        self._open_slot = redis.register_script(script("uploads_of", "open_slot"))
        self._claim = redis.register_script(script("claim"))
        self._unclaim = redis.register_script(script("unclaim"))

    async def check(self, job_id: str, size: int, limits: AdmissionLimits) -> NoRoom | None:
        """Return the resource that an upload of `size` bytes would exhaust, or None; nothing is reserved."""
        if time.monotonic() > self._rate_until:
            self._rate = sum(worker.price_per_s for worker in await self._status.workers())
            self._rate_until = time.monotonic() + _RATE_FOR_S
        return await self._look(job_id, size, limits, self._rate, lease_s=0)

    async def reserve(self, job_id: str, size: int, limits: AdmissionLimits, lease_s: float) -> NoRoom | None:
        """Reserve `size` bytes in all for an upload for `lease_s` seconds, or return the exhausted resource."""
        return await self._look(job_id, size, limits, 0.0, lease_s)

    async def renew(self, job_id: str, lease_s: float) -> None:
        """Renew the lease of an upload's reservation, if it still exists."""
        async with translate_errors():
            await self._redis.zadd(keys.RESERVED, {job_id: now_ms() + int(lease_s * 1000)}, xx=True)

    async def release(self, job_id: str) -> None:
        """Release the reservation of an upload that failed."""
        # A Redis whose memory is full refuses every command of a transaction, also those that only delete.
        async with translate_errors(), self._redis.pipeline(transaction=False) as pipe:
            pipe.hdel(keys.RESERVED_BYTES, job_id)  # first: without its lease it would stay for ever
            pipe.zrem(keys.RESERVED, job_id)
            await pipe.execute()

    async def _look(
        self, job_id: str, size: int, limits: AdmissionLimits, price_per_s: float, lease_s: float
    ) -> NoRoom | None:
        now = now_ms()
        until = now + int(lease_s * 1000) if lease_s else 0
        owner = owner_of(job_id)
        async with translate_errors():
            found = await self._admit(
                keys=[
                    keys.QUEUE, keys.LIVE_BYTES, keys.RESERVED, keys.RESERVED_BYTES, keys.PROBE, keys.SLOTS,
                    keys.live_of(owner), keys.video_s_of(owner), keys.LIVE_PRICE,
                ],
                args=[
                    now, until, job_id, size, limits.jobs, limits.bytes, limits.wait_s, price_per_s, owner,
                    limits.key_jobs, limits.key_uploads, limits.key_video_s,
                ],
            )  # fmt: skip
        return NoRoom(*found) if found else None

    async def open_slot(self, job_id: str, limits: AdmissionLimits, ttl_s: float) -> NoRoom | None:
        """Open a slot for an upload that goes straight to the store, or return the exhausted resource."""
        now = now_ms()
        async with translate_errors():
            found = await self._open_slot(
                keys=[keys.SLOTS, keys.RESERVED, keys.RESERVED_BYTES],
                args=[
                    now, now + int(ttl_s * 1000), job_id, limits.slots, owner_of(job_id), limits.key_uploads,
                ],
            )  # fmt: skip
        return NoRoom(*found) if found else None

    async def close_slot(self, job_id: str) -> None:
        """Close a slot: what is uploaded to its URL from now on is deleted."""
        async with translate_errors():
            await self._redis.zrem(keys.SLOTS, job_id)

    async def is_slot_open(self, job_id: str) -> bool:
        """Return whether what is uploaded to a slot's URL may still become a job."""
        async with translate_errors():
            until = await self._redis.zscore(keys.SLOTS, job_id)
        return until is not None and float(until) > now_ms()

    async def reserved(self) -> set[str]:
        """Return the job ids of the uploads that are being received."""
        async with translate_errors():
            found = await self._redis.zrangebyscore(keys.RESERVED, f"({now_ms()}", "+inf")
        return set(cast("list[str]", found))

    async def claim(self, key: str, job_id: str, hold_s: float) -> KeyHolder | None:
        """Claim an idempotency key for `hold_s` seconds, or return its holder. Repeat it to hold it for longer."""
        async with translate_errors():
            holder = await self._claim(keys=[keys.idempotency(key)], args=[job_id, int(hold_s * 1000)])
        return parse_key_holder(holder)

    async def unclaim(self, key: str, job_id: str) -> None:
        """Give up the claim of an upload that failed."""
        async with translate_errors():
            await self._unclaim(keys=[keys.idempotency(key)], args=[job_id])


def parse_key_holder(holder: list[str]) -> KeyHolder | None:
    """Parse a script's reply on the holder of an idempotency key; None if there is none."""
    match holder:
        case ["", "", ""]:
            return KeyHolder("", digest="", erased=True)
        case [job_id, options, digest]:
            return KeyHolder(job_id, _known_options(options), digest)
        case [job_id]:
            return KeyHolder(job_id)
    return None


def _known_options(text: str) -> AnalyzeOptions | None:
    """Parse a job's options; return None, which is no request's, if one of them is of a newer release."""
    try:
        return AnalyzeOptions.model_validate_json(text)
    except ValidationError:
        return None
