"""Claim jobs, begin their attempts, and drain on shutdown.

Threads:

- The main loop claims as many jobs as there are free slots.
- One thread per job runs the attempt (`attempts.py`).
- The keeper renews leases (`keeper.py`).

A job that was tried before runs alone, because it may have killed its worker.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

import structlog
from redis.exceptions import RedisError

from mien.contract.workers import Registration
from service.queue.consumer import Attempt, Consumer, Entry
from service.storage.blobs import Blobs
from service.worker.attempts import AttemptRunner
from service.worker.keeper import Keeper
from service.worker.occupancy import Occupancy
from service.worker.outages import Outages
from service.worker.pipeline import Pipeline
from service.worker.running import HUNG_AFTER_S, RunningJob, RunningJobs
from service.worker.sandbox import InterruptedWork

log = structlog.get_logger()

Reply = TypeVar("Reply")

# Longest time until a job that waits to run alone checks whether it can, and whether another worker has it.
_LOOK_S = 1.0
# Longest time that a job waits for live analyses to end. They may last for an hour, and no other work begins meanwhile.
_LIVE_S = 30.0


class JobLoop:
    """The main loop of one worker.

    Args:
        consumer: the worker's end of the queue.
        blobs: the store of uploads and results.
        pipeline: analyses the videos.
        slots: maximum number of jobs at once.
        drain_s: seconds that running jobs get to finish after `stop`.
        hung_after_s: seconds without progress after which a job hangs.
        occupancy: counts the work in this process, live sessions included.
        outages: waits for the end of outages.
        register: returns this worker's registration for its recent speed in bytes per second.
    """

    def __init__(
        self,
        consumer: Consumer,
        blobs: Blobs,
        pipeline: Pipeline,
        *,
        slots: int,
        drain_s: float,
        occupancy: Occupancy,
        outages: Outages,
        register: Callable[[float], Registration],
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        self._consumer = consumer
        self._slots = slots
        self._drain_s = drain_s
        self._hung_after_s = hung_after_s
        self._occupancy = occupancy
        self._outages = outages
        self._attempts = AttemptRunner(consumer, blobs, pipeline, outages)
        self._waiting: list[Entry] = []  # to run alone
        self._waited_since = 0.0  # for live analyses alone, monotonic
        self._running = RunningJobs()
        self._stopping = threading.Event()
        self._keeper = Keeper(
            consumer, self._running, lambda: register(self._attempts.price_per_s * slots), self._stopping
        )

    def stop(self) -> None:
        """Start draining: claim no more jobs, let running jobs finish, hand back those that take too long."""
        self._stopping.set()

    def run(self) -> None:
        """Run until `stop` is called and the drain has ended; an unexpected error is raised after the drain."""
        with self._keeper:
            try:
                while not self._stopping.is_set():
                    self._keeper.move()
                    try:
                        self._step()
                    except InterruptedWork:
                        break
                    except RedisError as error:  # a defect, or rights that this worker lacks
                        log.error("queue refuses a command", error=str(error))  # noqa: TRY400 - the answer says it
                        self._stopping.wait(random.uniform(0.5, 2.0))  # noqa: S311 - jitter, no secret
            finally:
                self._drain()

    def _step(self) -> None:
        """Begin the job that waits to run alone, or claim jobs and begin them; wait a moment if there is no room."""
        if self._waiting:
            if self._running.any_hangs():  # leave the job to a worker that can run it alone
                self._waiting.clear()
                self._waited_since = 0.0
                self._occupancy.give_up()
            elif self._begin(self._waiting[0]):
                self._waiting.pop(0)
                return
        elif self._occupancy.open and (free := self._slots - len(self._running)) > 0:
            for entry in self._outlast(lambda: self._consumer.claim(free, wait_s=1.0)):
                if not self._begin(entry):
                    self._waiting.append(entry)
            return
        self._running.wait(min(_LOOK_S, self._consumer.lease_s / 4))

    def _begin(self, entry: Entry) -> bool:
        """Begin a claimed entry's job; return False if it has to run alone and other work runs."""
        if self._runs_here(entry):
            return True
        again = entry in self._waiting
        # Only this thread stops other work from being admitted.
        entered = self._enter_alone() if again else self._occupancy.enter()
        attempt: Attempt | Literal["alone", "newer"] | None = None
        try:
            attempt = self._outlast(lambda: self._consumer.begin(entry, alone=again and entered))
        finally:
            if entered and not isinstance(attempt, Attempt):
                self._occupancy.leave()
        if attempt == "alone":
            return False
        self._waited_since = 0.0
        if isinstance(attempt, Attempt):
            self._start(RunningJob(attempt, self._hung_after_s))
            return True
        self._occupancy.give_up()
        if attempt == "newer":
            log.error("job has options of a newer release: update this worker", job=entry.job_id)
        return True

    def _enter_alone(self) -> bool:
        """Enter alone, or after `_LIVE_S` beside live analyses: if the job ends them, their clients start others."""
        now = time.monotonic()
        if len(self._running) or not self._waited_since:
            self._waited_since = now
        waited = now - self._waited_since > _LIVE_S
        return self._occupancy.enter_alone() or (waited and self._occupancy.enter_beside())

    def _start(self, job: RunningJob) -> None:
        """Run an attempt in a thread of its own; where there can be none, hand the job back and raise the error."""
        self._running.add(job)
        thread = threading.Thread(target=self._work, args=(job,), name=f"job-{job.attempt.job_id}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._running.remove(job)
            self._occupancy.leave()
            self._outlast(lambda: self._consumer.release(job.attempt, counts=False, error="no thread"))
            raise

    def _runs_here(self, entry: Entry) -> bool:
        """Return whether an entry's job runs here already: this process was suspended, or the job hangs.

        A job that makes progress keeps its lease. One that hangs, or was handed back a moment ago, is interrupted; if
        it does not end at once, its entry is claimed again after a lease.
        """
        job = self._running.find(entry.job_id)
        if job is None:
            return False
        if job.moving and self._outlast(lambda: self._consumer.renew(job.attempt)):
            return True
        job.interrupted.set()
        return not self._running.wait_for(job, _LOOK_S)

    def _outlast(self, action: Callable[[], Reply]) -> Reply:
        return self._outages.outlast(action, self._stopping, self._keeper.move)

    def _work(self, job: RunningJob) -> None:
        try:
            self._attempts.run(job)
        finally:
            self._occupancy.leave()
            self._running.remove(job)

    def _drain(self) -> None:
        log.info("draining", running=len(self._running))
        self._running.drain(self._drain_s)
        try:
            self._consumer.leave()
        except RedisError as error:
            log.warning("queue unreachable, registration not removed", error=str(error))
