"""Jobs as the gateway sees them: submit, read, list, cancel, and follow their events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from redis.asyncio import Redis

from mien.contract.errors import Problem
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.admission import IdempotentRequest, KeyHolder, parse_key_holder
from service.queue.clock import now_ms
from service.queue.connection import translate_errors
from service.queue.events import EventId, StoredEvent, parse_event
from service.queue.job_ids import owner_of
from service.queue.scripts import script

_EVENTS_AT_ONCE = 100


@dataclass(frozen=True)
class Job:
    """A job as its hash holds it. Times are Unix milliseconds; what has not happened yet is None.

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
class ErasedBlobs:
    """The blobs of a job that was cancelled; `result` is None where it had not ended."""

    upload: str
    result: str | None


class Jobs:
    """Submit, read and cancel jobs. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._submit = redis.register_script(script("submit"))
        self._cancel = redis.register_script(script("end_job", "cancel"))

    async def submit(
        self,
        job_id: str,
        *,
        upload: str,
        size: int,
        price: int,
        options: AnalyzeOptions,
        request: IdempotentRequest | None = None,
        trace: str = "",
    ) -> KeyHolder | None:
        """Accept a job whose upload is finalised: from here on it is never lost. Safe to repeat.

        `price` is the estimated cost of its analysis in bytes, from which waits are estimated.
        `trace` is the `traceparent` of the request, the parent of its attempts' spans.

        Returns the job that was accepted earlier with this idempotency key, if any; then none is accepted under this
        id.
        """
        key, digest = ([keys.idempotency(request.key)], request.digest) if request else ([], "")
        async with translate_errors():
            holder = await self._submit(
                keys=[
                    keys.job(job_id), keys.QUEUE, keys.LIVE, keys.LIVE_BYTES, keys.RESERVED,
                    keys.jobs(owner_of(job_id)), keys.RESERVED_BYTES, keys.LIVE_PRICE, keys.ERASE, *key,
                ],
                args=[
                    job_id, now_ms(), upload, size, options.model_dump_json(exclude_defaults=True), digest,
                    keys.IDEMPOTENCY_TTL_S, options.callback_url or "", trace, price,
                ],
            )  # fmt: skip
        return parse_key_holder(holder)

    async def find(self, job_id: str) -> Job | Literal["expired", "deleted"] | None:
        """Return the job, its tombstone's text if it is gone, or None if it never existed."""
        [found] = await self.find_all([job_id])
        return found

    async def find_all(self, job_ids: Sequence[str]) -> list[Job | Literal["expired", "deleted"] | None]:
        """Do the same as `find` for several jobs, in two round trips."""
        async with translate_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id in job_ids:
                    pipe.hgetall(keys.job(job_id))
                jobs = dict(zip(job_ids, await pipe.execute(), strict=True))
            gone = [job_id for job_id, fields in jobs.items() if not fields]
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id in gone:
                    pipe.get(keys.gone(job_id))
                tombstones = dict(zip(gone, await pipe.execute(), strict=True))
        return [_job(job_id, jobs[job_id]) if jobs[job_id] else _tombstone(tombstones[job_id]) for job_id in job_ids]

    async def page(self, owner: str, after: str | None, count: int) -> list[tuple[str, Job | None]]:
        """Return the next `count` places of the list of an owner's jobs, newest first, after one of them.

        A place's job is None where it has expired.
        """
        start = "+" if after is None else f"({after}"
        async with translate_errors():
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

    async def cancel(self, job_id: str) -> ErasedBlobs | None:
        """Erase a job in any state and return its blobs, which the caller must delete; None if there is no such job."""
        async with translate_errors():
            key = cast("str | None", await self._redis.hget(keys.job(job_id), "key"))
            blobs = await self._cancel(
                keys=[
                    keys.job(job_id),
                    keys.QUEUE,
                    keys.LIVE,
                    keys.LIVE_BYTES,
                    keys.gone(job_id),
                    keys.events(job_id),
                    keys.jobs(owner_of(job_id)),
                    keys.DEAD,
                    keys.CALLBACKS,
                    keys.ERASE,
                    keys.FILE,
                    *([key] if key else []),
                ],
                args=[job_id, keys.GROUP, keys.TOMBSTONE_TTL_S, keys.CHANGED, now_ms()],
            )
        return ErasedBlobs(blobs[0], blobs[1] or None) if blobs else None

    async def events(self, job_id: str, after: EventId | None) -> list[StoredEvent]:
        """Return the next events of a job after one of them (None: from the first one kept)."""
        start = "-" if after is None else f"({after}"
        async with translate_errors():
            found = await self._redis.xrange(keys.events(job_id), start, "+", count=_EVENTS_AT_ONCE)
        return [parse_event(entry_id, fields) for entry_id, fields in cast("list[tuple[str, dict[str, str]]]", found)]

    async def changed(self) -> AsyncIterator[str]:
        """Yield the id of each job that changes, on a connection of its own, until that breaks."""
        async with translate_errors(), self._redis.pubsub() as channel:
            await channel.subscribe(keys.CHANGED)
            async for message in channel.listen():
                if message["type"] == "message":
                    yield message["data"]


def _tombstone(text: str | None) -> Literal["expired", "deleted"] | None:
    if text is None:
        return None
    return "deleted" if text == "deleted" else "expired"


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
