"""The gateway's end of the queue: admit, submit, look up, cancel, sweep."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import nan
from typing import Literal, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from mien.contract.errors import Problem, QueueUnavailable
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from mien.contract.workers import Registration
from service.queue import keys
from service.queue.events import EventId, Told, told
from service.queue.scripts import script

log = structlog.get_logger()

_EVENTS_AT_ONCE = 100
_LISTED_AT_ONCE = 500

NoRoom = Literal["jobs", "bytes", "wait"]


@dataclass(frozen=True)
class Job:
    """A job as its hash tells it. Times are Unix milliseconds; what has not happened yet is None.

    `event` is the id of its last event.
    """

    id: str
    state: State
    created_ms: int
    fence: int
    event: EventId | None
    done_s: float
    total_s: float | None
    upload: str
    started_ms: int | None
    ended_ms: int | None
    expires_ms: int | None
    decode_ms: float | None
    inference_ms: float | None
    result: str | None
    error: Problem | None
    callback: str | None


@dataclass(frozen=True)
class Room:
    """The bounds of admission."""

    jobs: int
    bytes: int
    wait_s: float


@dataclass(frozen=True)
class Keyed:
    """What makes a request the same as another: a client's idempotency key, and its video's SHA-256 in hex."""

    key: str
    digest: str


@dataclass(frozen=True)
class Earlier:
    """The request that has an idempotency key; without options and digest where it has not been accepted yet."""

    job_id: str
    options: AnalyzeOptions | None = None
    digest: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether it stands for a job."""
        return self.digest is not None


@dataclass(frozen=True)
class Erased:
    """The blobs of a job that was cancelled; `result` is None where it had not ended."""

    upload: str
    result: str | None


class Producer:
    """Commands at the queue. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._admit = redis.register_script(script("admit"))
        self._claim = redis.register_script(script("claim"))
        self._unclaim = redis.register_script(script("unclaim"))
        self._submit = redis.register_script(script("submit"))
        self._cancel = redis.register_script(script("end_job", "cancel"))
        self._requeue = redis.register_script(script("requeue"))
        self._take_callback = redis.register_script(script("take_callback"))
        self._postpone_callback = redis.register_script(script("postpone_callback"))

    async def admit(self, job_id: str, size: int, room: Room, deadline_s: float) -> NoRoom | None:
        """Reserve room for an upload of `size` bytes until `deadline_s` from now, or say what there is none for."""
        rate = sum(worker.bytes_per_s for worker in await self.workers())
        now = _now_ms()
        async with _reachable():
            verdict = await self._admit(
                keys=[keys.QUEUE, keys.LIVE_BYTES, keys.RESERVED],
                args=[now, now + int(deadline_s * 1000), job_id, size, room.jobs, room.bytes, room.wait_s, rate],
            )
        return verdict or None

    async def abandon(self, job_id: str, size: int) -> None:
        """Give back the room reserved for an upload that came to nothing."""
        async with _reachable():
            await self._redis.zrem(keys.RESERVED, f"{job_id}:{size}")

    async def claim(self, key: str, job_id: str, hold_s: float) -> Earlier | None:
        """Claim an idempotency key for `hold_s` seconds, or say who has it. Safe to repeat, to hold it for longer."""
        async with _reachable():
            holder = await self._claim(keys=[keys.idempotency(key)], args=[job_id, int(hold_s * 1000)])
        return _earlier(holder)

    async def unclaim(self, key: str, job_id: str) -> None:
        """Give up the claim of an upload that came to nothing."""
        async with _reachable():
            await self._unclaim(keys=[keys.idempotency(key)], args=[job_id])

    async def submit(
        self,
        job_id: str,
        *,
        reserved: int,
        upload: str,
        size: int,
        options: AnalyzeOptions,
        keyed: Keyed | None = None,
        trace: str = "",
    ) -> Earlier | None:
        """Accept a job whose upload is finalised: from here on it is never lost. Safe to repeat.

        `trace` is the `traceparent` of what sends it, which its attempts are parts of.

        Returns the job that was accepted with this idempotency key before; then there is none of this id.
        """
        key, digest = ([keys.idempotency(keyed.key)], keyed.digest) if keyed else ([], "")
        async with _reachable():
            holder = await self._submit(
                keys=[
                    keys.job(job_id), keys.QUEUE, keys.LIVE, keys.LIVE_BYTES, keys.RESERVED,
                    keys.jobs(keys.owner_of(job_id)), *key,
                ],
                args=[
                    job_id, f"{job_id}:{reserved}", _now_ms(), upload, size, options.model_dump_json(), digest,
                    keys.IDEMPOTENCY_TTL_S, options.callback_url or "", trace,
                ],
            )  # fmt: skip
        return _earlier(holder)

    async def find(self, job_id: str) -> Job | Literal["expired", "deleted"] | None:
        """Return the job, or its tombstone's word, or None where it never was."""
        async with _reachable():
            fields = cast("dict[str, str]", await self._redis.hgetall(keys.job(job_id)))
            if fields:
                return _job(job_id, fields)
            tombstone = await self._redis.get(keys.gone(job_id))
        if tombstone is None:
            return None
        return "deleted" if tombstone == "deleted" else "expired"

    async def jobs(self, owner: str, after: str | None, count: int) -> list[tuple[str, Job | None]]:
        """Return the next `count` places of the list of an owner's jobs, newest first, after one of them.

        A place's job is None where it has expired.
        """
        start = "+" if after is None else f"({after}"
        async with _reachable():
            places = cast(
                "list[str]", await self._redis.zrevrangebylex(keys.jobs(owner), start, "-", start=0, num=count)
            )
            async with self._redis.pipeline(transaction=False) as pipe:
                ids = [place.partition(":")[2] for place in places]
                for job_id in ids:
                    pipe.hgetall(keys.job(job_id))
                found = await pipe.execute() if ids else []
        return [
            (place, _job(job_id, fields) if fields else None)
            for place, job_id, fields in zip(places, ids, found, strict=True)
        ]

    async def cancel(self, job_id: str) -> Erased | None:
        """Erase a job in any state; None where there is none."""
        async with _reachable():
            blobs = await self._cancel(
                keys=[
                    keys.job(job_id),
                    keys.QUEUE,
                    keys.LIVE,
                    keys.LIVE_BYTES,
                    keys.gone(job_id),
                    keys.events(job_id),
                    keys.jobs(keys.owner_of(job_id)),
                ],
                args=[job_id, keys.GROUP, keys.TOMBSTONE_TTL_S, keys.CHANGED],
            )
        return Erased(blobs[0], blobs[1] or None) if blobs else None

    async def events(self, job_id: str, after: EventId | None) -> list[Told]:
        """Return the next events of a job after one of them (None: from the first that is kept on)."""
        start = "-" if after is None else f"({after}"
        async with _reachable():
            found = await self._redis.xrange(keys.events(job_id), start, "+", count=_EVENTS_AT_ONCE)
        return [told(entry_id, fields) for entry_id, fields in cast("list[tuple[str, dict[str, str]]]", found)]

    async def changed(self) -> AsyncIterator[str]:
        """Yield the id of each job as something happens to it, on a connection of its own, until that breaks."""
        async with _reachable(), self._redis.pubsub() as channel:
            await channel.subscribe(keys.CHANGED)
            async for message in channel.listen():
                if message["type"] == "message":
                    yield message["data"]

    async def take_callback(self, hidden_s: float) -> str | None:
        """Return the job whose callback is due the longest, if one is, and hide it from others for `hidden_s`."""
        now = _now_ms()
        async with _reachable():
            found = await self._take_callback(keys=[keys.CALLBACKS], args=[now, now + int(hidden_s * 1000)])
        return None if found is None else str(found)

    async def postpone_callback(self, job_id: str, pauses_s: Sequence[int]) -> bool:
        """Let a callback that failed come again after the next of the pauses; False where there is none left."""
        async with _reachable():
            left = await self._postpone_callback(
                keys=[keys.CALLBACKS, keys.job(job_id)], args=[job_id, _now_ms(), *pauses_s]
            )
        return bool(left)

    async def end_callback(self, job_id: str) -> None:
        """Forget a callback."""
        async with _reachable():
            await self._redis.zrem(keys.CALLBACKS, job_id)

    async def workers(self) -> list[Registration]:
        """Return the registrations of the workers that live."""
        async with _reachable():
            names = [str(name) for name in await self._redis.zrange(keys.WORKERS, 0, -1)]
            found = await self._redis.mget([keys.worker(name) for name in names]) if names else []
        return [Registration.model_validate_json(text) for text in found if text]

    async def depth(self) -> int:
        """Return the number of jobs that have not ended."""
        async with _reachable():
            return int(await self._redis.xlen(keys.QUEUE))

    async def oldest_s(self) -> float:
        """Return for how many seconds the oldest job that has not ended has been there; 0 where there is none."""
        async with _reachable():
            found = await self._redis.zrange(keys.LIVE, 0, 0, withscores=True)
        return max(0.0, (_now_ms() - float(found[0][1])) / 1000) if found else 0.0

    async def probe(self) -> None:
        """Raise QueueUnavailable where the queue can be read and takes nothing: its memory or disk is full, say."""
        async with _reachable():
            await self._redis.set(keys.PROBE, "1", ex=60)

    async def memory(self) -> tuple[float, float]:
        """Return the bytes that Redis uses and may use (0: no bound); NaN where it is not to be asked."""
        try:
            async with _reachable():
                found = await self._redis.info("memory")
        except ResponseError:  # INFO counts as dangerous: an operator may have kept it from this user, or renamed it
            return nan, nan
        return found["used_memory"], found["maxmemory"]

    async def take_sweep(self, round_s: int) -> bool:
        """Return whether this gateway is to sweep in this round of `round_s` seconds."""
        async with _reachable():
            return bool(await self._redis.set(keys.SWEEPER, "1", nx=True, ex=round_s))

    async def reconcile(self) -> int:
        """Queue anew the live jobs that have lost their stream entry; return how many there were."""
        found = 0
        async with _reachable():
            async for member, _ in self._redis.zscan_iter(keys.LIVE):
                job_id = str(member)
                found += int(await self._requeue(keys=[keys.job(job_id), keys.QUEUE, keys.LIVE], args=[job_id]))
        return found

    async def forget_expired(self) -> None:
        """Take the jobs whose time to live is over off the lists."""
        async with _reachable():
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
        async with _reachable():
            await self._redis.zremrangebyscore(keys.WORKERS, "-inf", _now_ms() - keys.WORKER_TTL_S * 1000)
            if not await self._redis.exists(keys.QUEUE):
                return
            for group in await self._redis.xinfo_groups(keys.QUEUE):
                for consumer in await self._redis.xinfo_consumers(keys.QUEUE, group["name"]):
                    if consumer["pending"] == 0 and consumer["idle"] > 3_600_000:
                        await self._redis.xgroup_delconsumer(keys.QUEUE, group["name"], consumer["name"])


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        # A server without memory or disk, or that became a replica, is no defect of ours, as other refusals are.
        passes = isinstance(error, (OutOfMemoryError, ReadOnlyError)) or str(error).startswith(("MISCONF", "BUSY"))
        if isinstance(error, ResponseError) and not passes:
            raise
        log.warning("queue fails", error=str(error))
        raise QueueUnavailable("The queue does not answer at the moment. Try again shortly.", 5) from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _earlier(holder: list[str]) -> Earlier | None:
    match holder:
        case [job_id, options, digest]:
            return Earlier(job_id, AnalyzeOptions.model_validate_json(options), digest)
        case [job_id]:
            return Earlier(job_id)
    return None


def _job(job_id: str, fields: dict[str, str]) -> Job:
    def whole(name: str) -> int | None:
        return int(fields[name]) if fields.get(name) else None

    def real(name: str) -> float | None:
        return float(fields[name]) if fields.get(name) else None

    return Job(
        id=job_id,
        state=State(fields["state"]),
        created_ms=int(fields["created_ms"]),
        fence=int(fields["fence"]),
        event=EventId.parse(fields["event"]) if fields.get("event") else None,
        done_s=real("done_s") or 0.0,
        total_s=real("total_s"),
        upload=fields["upload"],
        started_ms=whole("started_ms"),
        ended_ms=whole("ended_ms"),
        expires_ms=whole("expires_ms"),
        decode_ms=real("decode_ms"),
        inference_ms=real("inference_ms"),
        result=fields.get("result"),
        error=Problem(**json.loads(fields["error"])) if fields.get("error") else None,
        callback=fields.get("callback"),
    )
