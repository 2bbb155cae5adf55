"""Claim jobs, run them, commit their results, and drain on shutdown.

Threads:

- The main loop claims as many jobs as there are free slots.
- One thread per job runs the pipeline and commits the result.
- The keeper registers the worker and renews the leases of jobs that make progress, as long as the main loop makes
  progress too. A worker that hangs therefore loses its leases, and other workers take over its jobs.

An outage of the queue or the store is no fault of a job: it waits where it is, and its attempt goes on.
A job that was tried before runs alone, for it may be what killed its worker.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import structlog
from opentelemetry.trace import SpanKind
from redis.exceptions import RedisError

from mien.contract.errors import AttemptsExhausted, BadMedia, InvalidRequest, StorageUnavailable
from mien.contract.events import FaceWindow
from mien.contract.workers import Registration
from service.queue.consumer import Attempt, Consumer, Entry
from service.storage.blobs import Blobs, result_name
from service.telemetry.traces import span
from service.worker import metrics
from service.worker.occupancy import Occupancy
from service.worker.outages import Outages
from service.worker.pipeline import Analyzed, Pipeline
from service.worker.reporter import Reporter
from service.worker.sandbox import InterruptedWork

log = structlog.get_logger()

Reply = TypeVar("Reply")

_REGISTER_EVERY_S = 5.0
# Longer than every bounded wait in a job (decode stall, inference) and in the main loop.
_HUNG_AFTER_S = 180.0
_RATE_SMOOTHING = 0.3
# Pauses between tries to read a video that a store keeps back although it works otherwise.
_READ_AGAIN_AFTER_S = (1.0, 4.0, 15.0)
# How often a job that waits to run alone looks whether it may, at least; it keeps its lease so.
_LOOK_S = 1.0


@dataclass
class _Running:
    """A running job. Setting `interrupted` ends its pipeline and its waits; `moved_at` is when it last got on."""

    attempt: Attempt
    interrupted: threading.Event = field(default_factory=threading.Event)
    draining: bool = False
    moved_at: float = field(default_factory=time.monotonic)

    def move(self) -> None:
        """Note that it gets on, or knows what it waits for."""
        self.moved_at = time.monotonic()

    @property
    def moving(self) -> bool:
        """Whether it got on a moment ago."""
        return time.monotonic() - self.moved_at < _HUNG_AFTER_S


class Loop:
    """The main loop of one worker.

    Args:
        consumer: the worker's end of the queue.
        blobs: the store of uploads and results.
        pipeline: analyses the videos.
        slots: maximum number of jobs at once.
        drain_s: seconds that running jobs get to finish after `stop`.
        occupancy: who works in this process, live sessions included.
        outages: waits them out.
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
    ) -> None:
        self._consumer = consumer
        self._blobs = blobs
        self._pipeline = pipeline
        self._slots = slots
        self._drain_s = drain_s
        self._occupancy = occupancy
        self._outages = outages
        self._register = register
        self._waiting: list[Entry] = []  # to run alone
        self._running: dict[str, _Running] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._moved_at = time.monotonic()
        self._bytes_per_s = 0.0

    def stop(self) -> None:
        """Start draining: claim no more jobs, let running jobs finish, hand back those that take too long."""
        self._stopping.set()

    def run(self) -> None:
        """Run until `stop` is called and the drain has ended."""
        keeper = threading.Thread(target=self._keep, name="keeper")
        keeper.start()
        try:
            while not self._stopping.is_set():
                self._move()
                try:
                    self._step()
                except InterruptedWork:
                    break
                except RedisError as error:  # a defect, or rights that this worker lacks
                    log.error("queue refuses a command", error=str(error))  # noqa: TRY400 - the answer says it
                    self._stopping.wait(random.uniform(0.5, 2.0))  # noqa: S311 - jitter, no secret
            self._drain()
        finally:
            self._stopped.set()
            keeper.join()

    def _step(self) -> None:
        """Begin the job that waits to run alone, or claim jobs and begin them; wait a moment where there is no room."""
        if self._waiting:
            with self._changed:
                hangs = not all(job.moving for job in self._running.values())
            if hangs:  # leave the job to a worker that will be empty one day
                self._waiting.clear()
                self._occupancy.give_up()
            elif self._begin(self._waiting[0]):
                self._waiting.pop(0)
                return
        elif self._occupancy.open and (free := self._slots - len(self._running)) > 0:
            for entry in self._outlast(lambda: self._consumer.claim(free, wait_s=1.0)):
                if not self._begin(entry):
                    self._waiting.append(entry)
            return
        with self._changed:
            self._changed.wait(min(_LOOK_S, self._consumer.lease_s / 4))

    def _begin(self, entry: Entry) -> bool:
        """Begin a claimed entry's job; False where it has to run alone, and something else runs."""
        if self._runs_here(entry):
            return True
        again = entry in self._waiting
        # Nobody but this thread closes the room to others.
        entered = self._occupancy.enter_alone() if again else self._occupancy.enter()
        attempt: Attempt | Literal["alone"] | None = None
        try:
            attempt = self._outlast(lambda: self._consumer.begin(entry, alone=again and entered))
        finally:
            if entered and not isinstance(attempt, Attempt):
                self._occupancy.leave()
        if not isinstance(attempt, Attempt):
            if attempt is None:
                self._occupancy.give_up()
            return attempt is None
        job = _Running(attempt)
        with self._changed:
            self._running[attempt.job_id] = job
        metrics.RUNNING.inc()
        threading.Thread(target=self._work, args=(job,), name=f"job-{attempt.job_id}", daemon=True).start()
        return True

    def _runs_here(self, entry: Entry) -> bool:
        """Return whether an entry is that of a job that runs here: this process was stopped, or the job hangs.

        One that gets on keeps its lease. One that hangs, or was handed back a moment ago, is interrupted; where it does
        not end at once, its entry comes again after a lease.
        """
        with self._changed:
            job = self._running.get(entry.job_id)
        if job is None:
            return False
        if job.moving and self._outlast(lambda: self._consumer.renew(job.attempt)):
            return True
        job.interrupted.set()
        with self._changed:
            return not self._changed.wait_for(lambda: self._running.get(entry.job_id) is not job, _LOOK_S)

    def _move(self) -> None:
        self._moved_at = time.monotonic()

    def _outlast(self, action: Callable[[], Reply]) -> Reply:
        return self._outages.outlast(action, self._stopping, self._move)

    def _work(self, job: _Running) -> None:
        attempt = job.attempt
        with (
            structlog.contextvars.bound_contextvars(job=attempt.job_id, attempt=attempt.number),
            span("attempt", parent=attempt.trace, kind=SpanKind.CONSUMER, attempt=attempt.number) as current,
        ):
            try:
                outcome = self._attempt(job)
            except InterruptedWork:
                outcome = self._hand_back(job)
            except RedisError as error:
                # The outcome could not be committed: the lease expires and the job is tried again.
                log.warning("attempt lost", error=str(error))
                outcome = "lost"
            finally:
                self._occupancy.leave()
                with self._changed:
                    if self._running.get(attempt.job_id) is job:
                        del self._running[attempt.job_id]
                    self._changed.notify_all()
                metrics.RUNNING.dec()
            current.set_attribute("outcome", outcome)
            metrics.ATTEMPTS.labels(outcome).inc()
            log.info("attempt ended", outcome=outcome)

    def _attempt(self, job: _Running) -> str:
        attempt = job.attempt
        started = time.monotonic()
        if attempt.number == 1:
            metrics.WAIT_SECONDS.observe(max(0.0, time.time() - attempt.created_ms / 1000))
        outlast = self._outlasting(job)
        try:
            done = self._analyze(job)
            name = result_name(attempt.job_id, attempt.fence)
            content = done.findings.model_dump_json(exclude_unset=True).encode()
            outlast(lambda: self._blobs.put(name, content))
            committed = outlast(
                lambda: self._consumer.commit_success(
                    attempt, result=name, decode_ms=round(done.decode_ms, 1), inference_ms=round(done.inference_ms, 1)
                )
            )
            if not committed:
                self._erase(name)
                return "lost"
            outcome = "succeeded"
            self._note_speed(attempt.size, time.monotonic() - started, done)
        except (BadMedia, InvalidRequest) as error:
            problem = error.problem()
            if not outlast(lambda: self._consumer.commit_failure(attempt, problem)):
                return "lost"
            outcome = "bad_media"
        except (InterruptedWork, RedisError):
            raise
        except Exception as error:  # whatever broke, the job must be retried or fail
            log.exception("attempt broke")
            return self._broken(job, error)
        self._erase(attempt.upload)
        return outcome

    def _hand_back(self, job: _Running) -> str:
        if not job.draining:
            return "lost"
        try:
            self._consumer.release(job.attempt, counts=False)
        except RedisError as error:
            log.warning("queue unreachable, attempt lost", error=str(error))
            return "lost"
        return "handed_back"

    def _analyze(self, job: _Running) -> Analyzed:
        attempt = job.attempt
        reporter = Reporter(self._consumer, attempt, self._outlasting(job))
        with ExitStack() as stack, span("analyze"):
            video = self._fetch(job, stack)
            try:
                for event in self._pipeline.analyze(attempt.job_id, video, attempt.options, job.interrupted):
                    job.move()
                    if isinstance(event, Analyzed):
                        reporter.tell()
                        return event
                    if isinstance(event, FaceWindow):
                        metrics.WINDOWS.inc()
                    if not reporter.note(event):
                        job.interrupted.set()
            except BadMedia as error:
                # The decoder cannot tell a store that fails under it from a bad video.
                if not _is_whole(video, attempt.size):
                    raise StorageUnavailable("The video could not be read to its end.", 1) from error
                raise
        raise RuntimeError("the pipeline ended without a result")

    def _fetch(self, job: _Running, stack: ExitStack) -> Path:
        """Return the job's video as a file that stays until `stack` is closed.

        Raises:
            FileNotFoundError: it is not in the store any more.
            StorageUnavailable: the store works, and keeps this video back.
        """
        for pause_s in (*_READ_AGAIN_AFTER_S, None):
            try:
                return stack.enter_context(self._blobs.local(job.attempt.upload))
            except StorageUnavailable:
                self._outlasting(job)(lambda: self._blobs.check(job.attempt.size))
                if pause_s is None:
                    raise
            if job.interrupted.wait(pause_s):
                raise InterruptedWork
        raise AssertionError

    def _outlasting(self, job: _Running) -> Callable[[Callable[[], Reply]], Reply]:
        """Return a function that calls another as often as outages make it fail, until the job is interrupted."""
        return lambda action: self._outages.outlast(action, job.interrupted, job.move)

    def _erase(self, name: str) -> None:
        try:
            self._blobs.delete([name])
            self._consumer.erased(name)
        except (StorageUnavailable, RedisError) as error:
            log.warning("not erased yet, left to a gateway", error=str(error))

    def _broken(self, job: _Running, error: Exception) -> str:
        attempt, outlast = job.attempt, self._outlasting(job)
        if isinstance(error, StorageUnavailable) and self._waited_for_store(job):
            outlast(lambda: self._consumer.release(attempt, counts=False, error=type(error).__name__))
            return "handed_back"
        if attempt.number < self._consumer.max_attempts:
            job.interrupted.wait(random.uniform(0.1, 1.0) * attempt.number)  # noqa: S311 - jitter, no secret
            outlast(lambda: self._consumer.release(attempt, counts=True, error=type(error).__name__))
            return "retried"
        reason = "its video was not in the store any more" if isinstance(error, FileNotFoundError) else "it broke"
        exhausted = AttemptsExhausted(
            f"The analysis was tried {attempt.number} times and came to no end; the last time {reason}. "
            "Upload the video again; if it happens again, tell the operator of this service the analysis id."
        )
        if not outlast(lambda: self._consumer.commit_failure(attempt, exhausted.problem())):
            return "lost"
        self._erase(attempt.upload)
        return "exhausted"

    def _waited_for_store(self, job: _Running) -> bool:
        """Wait until the store works; False where it does at once, so that the fault is this video's."""
        tries = 0

        def check() -> None:
            nonlocal tries
            tries += 1
            self._blobs.check(job.attempt.size)

        self._outlasting(job)(check)
        return tries > 1

    def _note_speed(self, size: int, elapsed_s: float, done: Analyzed) -> None:
        metrics.VIDEO_SECONDS.inc(done.findings.video.duration_s)
        metrics.STAGE_SECONDS.labels("decode").observe(done.decode_ms / 1000)
        metrics.STAGE_SECONDS.labels("inference").observe(done.inference_ms / 1000)
        rate = size / max(elapsed_s, 1e-3)
        old = self._bytes_per_s
        self._bytes_per_s = rate if old == 0 else old + _RATE_SMOOTHING * (rate - old)

    def _keep(self) -> None:
        registered_at = float("-inf")
        pause_s = 0.0
        while not self._stopped.wait(pause_s):
            pause_s = min(self._consumer.lease_s / 4, _REGISTER_EVERY_S)
            now = time.monotonic()
            if now - self._moved_at > _HUNG_AFTER_S and not self._stopping.is_set():
                continue
            try:
                self._renew_moving()
                if now - registered_at >= _REGISTER_EVERY_S and not self._stopping.is_set():
                    self._consumer.register(self._register(self._bytes_per_s * self._slots))
                    registered_at = now
            except RedisError as error:
                log.warning("queue unreachable, leases not renewed", error=str(error))

    def _renew_moving(self) -> None:
        with self._changed:
            moving = [job for job in self._running.values() if job.moving]
        for job in moving:
            if not self._consumer.renew(job.attempt):
                job.interrupted.set()

    def _drain(self) -> None:
        log.info("draining", running=len(self._running))
        with self._changed:
            self._changed.wait_for(lambda: not self._running, self._drain_s)
            for job in self._running.values():
                job.draining = True
                job.interrupted.set()
            self._changed.wait_for(lambda: not self._running, 10.0)
        try:
            self._consumer.leave()
        except RedisError as error:
            log.warning("queue unreachable, registration not removed", error=str(error))


def _is_whole(video: Path, size: int) -> bool:
    """Return whether a file can be read to its end, and has the size that it had when it was accepted."""
    found = 0
    try:
        with video.open("rb") as file:
            while piece := file.read(1 << 20):
                found += len(piece)
    except OSError:
        return False
    return found == size
