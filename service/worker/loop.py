"""Claim jobs, run them, commit their results, and drain on shutdown.

Threads:

- The main loop claims as many jobs as there are free slots.
- One thread per job runs the pipeline and commits the result.
- The keeper registers the worker and renews the leases of jobs that make progress, as long as the main loop makes
  progress too. A worker that hangs therefore loses its leases, and other workers take over its jobs.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from opentelemetry.trace import SpanKind
from redis.exceptions import RedisError

from mien.contract.errors import AttemptsExhausted, BadMedia, InvalidRequest
from mien.contract.events import FaceWindow
from mien.contract.workers import Registration
from service.queue.consumer import Attempt, Consumer
from service.storage.blobs import Blobs, result_name
from service.telemetry.traces import span
from service.worker import metrics
from service.worker.pipeline import Analyzed, Pipeline
from service.worker.reporter import Reporter
from service.worker.sandbox import InterruptedWork

log = structlog.get_logger()

_REGISTER_EVERY_S = 5.0
# Longer than every bounded wait in a job (decode stall, inference) and in the main loop.
_HUNG_AFTER_S = 180.0
_RATE_SMOOTHING = 0.3


@dataclass
class _Running:
    """A running job. Setting `interrupted` ends its pipeline; `moved_at` is the time of its last event."""

    attempt: Attempt
    interrupted: threading.Event = field(default_factory=threading.Event)
    draining: bool = False
    moved_at: float = field(default_factory=time.monotonic)


class Loop:
    """The main loop of one worker.

    Args:
        consumer: the worker's end of the queue.
        blobs: the store of uploads and results.
        pipeline: analyses the videos.
        slots: maximum number of jobs at once.
        drain_s: seconds that running jobs get to finish after `stop`.
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
        register: Callable[[float], Registration],
    ) -> None:
        self._consumer = consumer
        self._blobs = blobs
        self._pipeline = pipeline
        self._slots = slots
        self._drain_s = drain_s
        self._register = register
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
                self._moved_at = time.monotonic()
                try:
                    self._claim()
                except RedisError as error:
                    log.warning("queue unreachable", error=str(error))
                    self._stopping.wait(random.uniform(0.5, 2.0))  # noqa: S311 - jitter, no secret
            self._drain()
        finally:
            self._stopped.set()
            keeper.join()

    def _claim(self) -> None:
        with self._changed:
            free = self._slots - len(self._running)
            if free == 0:
                self._changed.wait(1.0)
                return
        for entry in self._consumer.claim(free, wait_s=1.0):
            attempt = self._consumer.begin(entry)
            if attempt is None:
                continue
            job = _Running(attempt)
            with self._changed:
                # Our own expired lease comes back as a new attempt: interrupt the old one.
                if (old := self._running.get(attempt.job_id)) is not None:
                    old.interrupted.set()
                self._running[attempt.job_id] = job
            metrics.RUNNING.inc()
            threading.Thread(target=self._work, args=(job,), name=f"job-{attempt.job_id}", daemon=True).start()

    def _work(self, job: _Running) -> None:
        attempt = job.attempt
        with (
            structlog.contextvars.bound_contextvars(job=attempt.job_id, attempt=attempt.number),
            span("attempt", parent=attempt.trace, kind=SpanKind.CONSUMER, attempt=attempt.number) as current,
        ):
            try:
                outcome = self._attempt(job)
            except RedisError as error:
                # The outcome could not be committed: the lease expires and the job is tried again.
                log.warning("queue unreachable, attempt lost", error=str(error))
                outcome = "lost"
            finally:
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
        try:
            done = self._analyze(job)
            name = result_name(attempt.job_id, attempt.fence)
            self._blobs.put(name, done.findings.model_dump_json(exclude_unset=True).encode())
            committed = self._consumer.commit_success(
                attempt, result=name, decode_ms=round(done.decode_ms, 1), inference_ms=round(done.inference_ms, 1)
            )
            if not committed:
                self._blobs.delete([name])
                return "lost"
        except InterruptedWork:
            if not job.draining:
                return "lost"
            self._consumer.release(attempt, counts=False)
            return "handed_back"
        except (BadMedia, InvalidRequest) as error:
            committed = self._consumer.commit_failure(attempt, error.problem())
            outcome = "bad_media"
        except RedisError:
            raise
        except Exception as error:  # whatever broke, the job must be retried or fail
            log.exception("attempt broke")
            return self._broken(attempt, error)
        else:
            outcome = "succeeded"
            self._note_speed(attempt.size, time.monotonic() - started, done)
        if committed:
            self._blobs.delete([attempt.upload])
        return outcome

    def _analyze(self, job: _Running) -> Analyzed:
        attempt = job.attempt
        reporter = Reporter(self._consumer, attempt)
        # Check here that the file exists: the decoder would report a missing file as a bad video.
        with self._blobs.local(attempt.upload) as video, span("analyze"):
            for event in self._pipeline.analyze(attempt.job_id, video, attempt.options, job.interrupted):
                job.moved_at = time.monotonic()
                if isinstance(event, Analyzed):
                    reporter.tell()
                    return event
                if isinstance(event, FaceWindow):
                    metrics.WINDOWS.inc()
                if not reporter.note(event):
                    job.interrupted.set()
        raise RuntimeError("the pipeline ended without a result")

    def _broken(self, attempt: Attempt, error: Exception) -> str:
        if attempt.number < self._consumer.max_attempts:
            self._stopping.wait(random.uniform(0.1, 1.0) * attempt.number)  # noqa: S311 - jitter, no secret
            self._consumer.release(attempt, counts=True, error=type(error).__name__)
            return "retried"
        exhausted = AttemptsExhausted(
            f"The analysis was tried {attempt.number} times and broke each time. Upload the video again; "
            "if it happens again, tell the operator of this service the analysis id."
        )
        if self._consumer.commit_failure(attempt, exhausted.problem()):
            self._blobs.delete([attempt.upload])
        return "exhausted"

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
                self._renew_moving(now)
                if now - registered_at >= _REGISTER_EVERY_S and not self._stopping.is_set():
                    self._consumer.register(self._register(self._bytes_per_s * self._slots))
                    registered_at = now
            except RedisError as error:
                log.warning("queue unreachable, leases not renewed", error=str(error))

    def _renew_moving(self, now: float) -> None:
        with self._changed:
            moving = [job for job in self._running.values() if now - job.moved_at < _HUNG_AFTER_S]
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
