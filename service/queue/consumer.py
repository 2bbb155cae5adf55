"""The worker's end of the queue: claim, begin, renew, report, and one of commit or release.

At-least-once execution, exactly-once result: a claim is a lease that the worker renews while it makes
progress, each attempt has a fence number, and `commit` writes for the current fence only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal, cast

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from mien.contract.errors import AttemptsExhausted, Problem
from mien.contract.events import FaceWindow
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from mien.contract.results import Progress
from mien.contract.workers import Registration
from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import is_outage
from service.queue.events import event_fields
from service.queue.scripts import script

_LEAST_STANDSTILL_S = 0.5  # minimum, because an ordinary pause of the machine may be half of a very short lease


@dataclass(frozen=True)
class Entry:
    """A claimed entry of the stream; `token` tells a repeated `begin` from another one."""

    id: str
    job_id: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job, valid as long as its fence is the job's; `trace` is the `traceparent` of its request.

    `price` is the estimated cost of the analysis: the bytes of the video, or its pixels converted to bytes if that is
    more.
    """

    job_id: str
    fence: int
    number: int
    created_ms: int
    upload: str
    size: int
    price: int
    options: AnalyzeOptions
    trace: str = ""


class Consumer:
    """One worker's commands at the queue; any thread may call any method but `claim`, which belongs to one.

    Args:
        redis: for commands; `reader`: for the blocking read, a connection of its own.
        name: this worker's name among all.
        lease_s: seconds without a renewal after which another worker takes a claimed entry over.
        max_attempts: attempts in all before a job fails.
        results_ttl_s: seconds for which an ended job is kept.
    """

    def __init__(
        self, redis: Redis, reader: Redis, *, name: str, lease_s: float, max_attempts: int, results_ttl_s: int
    ) -> None:
        self._redis = redis
        self._reader = reader
        self.name = name
        self.lease_s = lease_s
        self.max_attempts = max_attempts
        self._results_ttl_s = results_ttl_s
        self._events_ttl_s = min(results_ttl_s, keys.EVENTS_TTL_S)
        # Monotonic time until which no lease is taken over; infinite during an outage of the queue.
        self._owners_first_until = 0.0
        self._begin = redis.register_script(script("end_job", "begin"))
        self._renew = redis.register_script(script("renew"))
        self._report = redis.register_script(script("report"))
        self._commit = redis.register_script(script("end_job", "commit"))
        self._release = redis.register_script(script("release"))

    def claim(self, count: int, wait_s: float) -> list[Entry]:
        """Claim up to `count` entries: first those whose owner's lease ran out, else new ones, waiting `wait_s`.

        After an outage or a standstill of the queue every lease has expired, so the owners first get a lease's time to
        renew them. Entries that were taken over before it was noticed are left to their owners as well.
        """
        try:
            taken = []
            if time.monotonic() >= self._owners_first_until:
                with self._recording_outages():
                    taken = self._take_over(count)
                if time.monotonic() < self._owners_first_until:
                    return []
            if not taken:
                with self._recording_outages(wait_s):
                    streams = self._reader.xreadgroup(
                        keys.GROUP, self.name, {keys.QUEUE: ">"}, count=count, block=max(1, int(wait_s * 1000))
                    )
                taken = cast("Any", streams)[0][1] if streams else []
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._make_group()
            return []
        if self._owners_first_until == inf:
            self._owners_first_until = time.monotonic() + self.lease_s
        claimed = []
        for entry_id, fields in taken:
            if fields:
                claimed.append(Entry(str(entry_id), str(fields["job"])))
            else:
                self._drop_deleted()
        return claimed

    def begin(self, entry: Entry, *, alone: bool = True) -> Attempt | Literal["alone", "newer"] | None:
        """Start an attempt; safe to repeat.

        Returns None if the job has ended, was erased, was taken over by another worker, or has no attempt left and
        fails now. Returns "alone" if the job was tried before, so that it must run alone, and `alone` is False because
        other work runs here: begin it later, if no other worker has taken it over by then. Returns "newer" if the job
        has options of a newer release, and hands it back: after a lease another worker may take it. No attempt is used
        up.
        """
        exhausted = AttemptsExhausted(
            f"The analysis was tried {self.max_attempts} times without success; the last worker that had it died or "
            "hung. Upload the video again; if it happens again, the video itself may be the cause."
        )
        found = self._begin(
            keys=_ending_keys(entry.job_id),
            args=[
                *self._ending_args(entry.job_id),
                entry.id,
                self.max_attempts,
                exhausted.problem().model_dump_json(),
                self.name,
                entry.token,
                "1" if alone else "",
            ],
        )
        if not found:
            return None
        if len(found) == 1:
            return "alone"
        fence, number, created_ms, upload, size, price, options, trace = found
        try:
            known = AnalyzeOptions.model_validate_json(options)
        except ValidationError:
            # Taken over after a lease and not at once: here, it would be taken before all other jobs, again and again.
            self._hand_back(entry.job_id, int(fence), counts=False, error="unknown options", idle_ms=0)
            return "newer"
        return Attempt(
            job_id=entry.job_id,
            fence=int(fence),
            number=int(number),
            created_ms=int(created_ms),
            upload=upload,
            size=int(size),
            price=int(price),
            options=known,
            trace=trace,
        )

    def renew(self, attempt: Attempt) -> bool:
        """Renew the attempt's lease; return False if it is not the job's current attempt any more."""
        with self._recording_outages():
            return bool(
                self._renew(keys=[keys.job(attempt.job_id), keys.QUEUE], args=[attempt.fence, keys.GROUP, self.name])
            )

    def report(self, attempt: Attempt, happened: Sequence[Progress | FaceWindow], first: int) -> bool:
        """Append what happened as the attempt's events from number `first` on; safe to repeat.

        The last progress among them is also stored in the job. Returns False if the attempt is not the job's current
        one.
        """
        done_s = total_s = ""
        for what in happened:
            if isinstance(what, Progress):
                done_s, total_s = str(what.done_s), "" if what.total_s is None else str(what.total_s)
        return bool(
            self._report(
                keys=[keys.job(attempt.job_id), keys.events(attempt.job_id)],
                args=[
                    attempt.job_id, attempt.fence, first, keys.MOST_EVENTS, keys.CHANGED, done_s, total_s,
                    *(field for what in happened for field in event_fields(what)),
                ],
            )
        )  # fmt: skip

    def commit_success(self, attempt: Attempt, *, result: str, decode_ms: float, inference_ms: float) -> bool:
        """End the job with the result blob of this name; return False if the attempt is not the job's current one."""
        fields: dict[str, str | float] = {"result": result, "decode_ms": decode_ms, "inference_ms": inference_ms}
        return self._end(attempt, State.SUCCEEDED, fields, dead=False)

    def commit_failure(self, attempt: Attempt, problem: Problem) -> bool:
        """End the job with a problem; return False if the attempt is not the job's current one."""
        dead = problem.code == AttemptsExhausted.code
        return self._end(attempt, State.FAILED, {"error": problem.model_dump_json()}, dead=dead)

    def release(self, attempt: Attempt, *, counts: bool, error: str = "") -> bool:
        """Hand the job back, to be begun before all others; `counts`: the attempt counts towards the maximum."""
        return self._hand_back(attempt.job_id, attempt.fence, counts=counts, error=error)

    def erased(self, name: str) -> None:
        """Remove an erased blob from the list of those to erase."""
        self._redis.zrem(keys.ERASE, name)

    def register(self, registration: Registration) -> None:
        """Register this worker and the models that it serves, for `keys.WORKER_TTL_S` seconds."""
        with self._redis.pipeline() as pipe:
            pipe.set(keys.worker(self.name), registration.model_dump_json(), ex=keys.WORKER_TTL_S)
            pipe.zadd(keys.WORKERS, {self.name: now_ms()})
            pipe.execute()

    def leave(self) -> None:
        """Remove this worker's registration; it must hold no entry."""
        with self._redis.pipeline(transaction=False) as pipe:  # a full Redis refuses transactions
            pipe.delete(keys.worker(self.name))
            pipe.zrem(keys.WORKERS, self.name)
            pipe.execute()
        held = self._redis.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 1, consumername=self.name)
        if not held:
            self._redis.xgroup_delconsumer(keys.QUEUE, keys.GROUP, self.name)

    def _hand_back(
        self, job_id: str, fence: int, *, counts: bool, error: str, idle_ms: int = keys.LONGER_THAN_LEASES_MS
    ) -> bool:
        return bool(
            self._release(
                keys=[keys.job(job_id), keys.QUEUE],
                args=[
                    job_id,
                    fence,
                    keys.GROUP,
                    "" if counts else "1",
                    error,
                    keys.RELEASED,
                    idle_ms,
                ],
            )
        )

    def _end(self, attempt: Attempt, state: State, fields: dict[str, str | float], *, dead: bool) -> bool:
        flat = [item for pair in fields.items() for item in pair]
        return bool(
            self._commit(
                keys=_ending_keys(attempt.job_id),
                args=[
                    *self._ending_args(attempt.job_id),
                    attempt.fence,
                    state.value,
                    "dead" if dead else "",
                    *flat,
                ],
            )
        )

    def _ending_args(self, job_id: str) -> list[str | int]:
        return [
            job_id,
            keys.GROUP,
            now_ms(),
            self._results_ttl_s,
            keys.TOMBSTONE_TTL_S,
            self._events_ttl_s,
            keys.CHANGED,
        ]

    def _take_over(self, count: int) -> list[Any]:
        # One XAUTOCLAIM looks at ten entries for each that it may take: the cursor leads past those of busy workers.
        start = "0-0"
        while True:
            found = self._reader.xautoclaim(
                keys.QUEUE, keys.GROUP, self.name, min_idle_time=int(self.lease_s * 1000), start_id=start, count=count
            )
            start, taken = cast("tuple[str, list[Any]]", tuple(found[:2]))
            if taken or start == "0-0":
                return taken

    @contextmanager
    def _recording_outages(self, wait_s: float = 0.0) -> Iterator[None]:
        """Record an outage if a command fails, or takes so long that other workers could not renew."""
        began = time.monotonic()
        try:
            yield
        except RedisError as error:
            if is_outage(error):
                self._owners_first_until = inf
            raise
        now = time.monotonic()
        if now - began - wait_s > max(self.lease_s / 2, _LEAST_STANDSTILL_S):
            self._owners_first_until = now + self.lease_s

    def _drop_deleted(self) -> None:
        # Redis 6.2 returns deleted pending entries, without ids, again and again.
        for pending in self._redis.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 100, consumername=self.name):
            entry_id = pending["message_id"]
            if not self._redis.xrange(keys.QUEUE, entry_id, entry_id):
                self._redis.xack(keys.QUEUE, keys.GROUP, entry_id)

    def _make_group(self) -> None:
        try:
            # From id 0: a group made at `$` would never see what was queued before it.
            self._redis.xgroup_create(keys.QUEUE, keys.GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


def _ending_keys(job_id: str) -> list[str]:
    return [
        keys.job(job_id), keys.QUEUE, keys.LIVE, keys.LIVE_BYTES, keys.gone(job_id), keys.DEAD, keys.events(job_id),
        keys.CALLBACKS, keys.ERASE,
    ]  # fmt: skip
