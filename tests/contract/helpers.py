"""Both ends of the queue, at a server or in memory; the gateway's end is called from plain functions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import redis
import redis.asyncio
from fakeredis import FakeAsyncRedis, FakeServer, FakeStrictRedis

from mien.contract.errors import CannotDecode, Problem
from mien.contract.options import AnalyzeOptions
from mien.contract.results import Progress
from mien.contract.workers import Registration
from service.queue import keys
from service.queue.admission import Admission, AdmissionLimits, Lacking
from service.queue.connection import connect, connect_async
from service.queue.consumer import Attempt, Consumer
from service.queue.jobs import Job, Jobs
from service.queue.repair import Repair
from service.queue.status import QueueStatus
from tests.processes import HANG_S

T = TypeVar("T")

# Leases here never expire by time, however slow the machine is; tests let them expire (`lapse`).
LEASE_S = HANG_S
BROKEN_VIDEO: Problem = CannotDecode("It is text.").problem()


class Queue:
    """A queue with its gateway's end, a client for raw commands (`redis`) and any number of workers.

    `connect` and `connect_async` open clients of the same store: a server's (at `url`), or one in memory.
    """

    url: str

    def __init__(self, connect: Callable[[], redis.Redis], connect_async: Callable[[], redis.asyncio.Redis]) -> None:
        self._connect = connect
        self.redis = connect()
        self._runner = asyncio.Runner()
        self._gateway = connect_async()
        self.admission = Admission(self._gateway)
        self.jobs = Jobs(self._gateway)
        self.repair = Repair(self._gateway)
        self.status = QueueStatus(self._gateway)
        self._consumers: list[Consumer] = []

    @classmethod
    def at(cls, url: str) -> Queue:
        """Return the queue at a server."""
        made = cls(partial(connect, url), partial(connect_async, url))
        made.url = url
        return made

    @classmethod
    def in_memory(cls) -> Queue:
        """Return a new queue in memory."""
        server = FakeServer(server_type="redis", version=(7,))
        return cls(
            partial(FakeStrictRedis, server=server, decode_responses=True),
            partial(FakeAsyncRedis, server=server, decode_responses=True),
        )

    def close(self) -> None:
        self.run(self._gateway.aclose())
        self._runner.close()
        self.redis.close()
        self.forget_workers()

    def forget_workers(self) -> None:
        for consumer in self._consumers:
            consumer._redis.close()
            consumer._reader.close()
        self._consumers.clear()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def worker(
        self, name: str = "ann", *, lease_s: float = LEASE_S, max_attempts: int = 3, ttl_s: int = 6000
    ) -> Consumer:
        consumer = Consumer(
            self._connect(),
            self._connect(),
            name=name,
            lease_s=lease_s,
            max_attempts=max_attempts,
            results_ttl_s=ttl_s,
        )
        self._consumers.append(consumer)
        return consumer

    def admit(
        self, job_id: str, size: int = 10, *, limits: AdmissionLimits, lease_s: float = LEASE_S
    ) -> Lacking | None:
        found = self.run(self.admission.check(job_id, size, limits))
        found = found or self.run(self.admission.reserve(job_id, size, limits, lease_s))
        return found and found.lacking

    def submit(self, job_id: str, size: int = 10, price: int | None = None, **options: Any) -> None:
        self.run(
            self.jobs.submit(
                job_id,
                upload=f"uploads/{job_id}",
                size=size,
                price=size if price is None else price,
                options=AnalyzeOptions(**options),
            )
        )

    def find(self, job_id: str) -> Job:
        job = self.run(self.jobs.find(job_id))
        assert isinstance(job, Job)
        return job

    def field(self, job_id: str, name: str) -> str | None:
        return self.redis.hget(keys.job(job_id), name)

    def depth(self) -> int:
        return self.run(self.status.depth())

    def pending(self) -> int:
        return self.redis.xpending(keys.QUEUE, keys.GROUP)["pending"] if self.redis.exists(keys.QUEUE) else 0

    def live_bytes(self) -> int:
        return int(self.redis.get(keys.LIVE_BYTES) or 0)

    def live_price(self) -> int:
        return int(self.redis.get(keys.LIVE_PRICE) or 0)

    def is_idle(self) -> bool:
        """Whether nothing is left of any job that has not ended."""
        left = self.depth(), self.pending(), self.live_bytes(), self.live_price(), self.redis.zcard(keys.LIVE)
        return left == (0, 0, 0, 0, 0)


def lapse(client: redis.Redis, holder: str | None = None, *, idle_s: float = LEASE_S + 1) -> None:
    """Age the entries of the worker `holder`, or of all workers, as if they had not been renewed for `idle_s`
    seconds."""
    for one in client.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 1000, consumername=holder):
        client.xclaim(
            keys.QUEUE, keys.GROUP, one["consumer"], 0, [one["message_id"]], idle=int(1000 * idle_s), justid=True
        )


def take(worker: Consumer) -> Attempt:
    """Claim one entry and begin it, as a worker's loop does."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        for entry in worker.claim(1, wait_s=0.05):
            attempt = worker.begin(entry)
            assert attempt is not None
            return attempt
    raise AssertionError(f"nothing to claim within {HANG_S} s")


def has_nothing(worker: Consumer) -> bool:
    """Return whether the worker finds nothing to claim; the very first claim only creates the group."""
    return not worker.claim(1, wait_s=0.01) and not worker.claim(1, wait_s=0.01)


def succeed(worker: Consumer, attempt: Attempt) -> bool:
    return worker.commit_success(
        attempt, result=f"results/{attempt.job_id}.{attempt.fence}", decode_ms=3, inference_ms=4
    )


def fail(worker: Consumer, attempt: Attempt) -> bool:
    return worker.commit_failure(attempt, BROKEN_VIDEO)


def report(worker: Consumer, attempt: Attempt, done_s: float, total_s: float | None, *, first: int = 1) -> bool:
    return worker.report(attempt, [Progress(done_s=done_s, total_s=total_s)], first)


def registration(name: str = "ann", price_per_s: float = 0) -> Registration:
    return Registration(name=name, provider="cpu", models=[], price_per_s=price_per_s)
