"""Run one attempt at a job: fetch the video, analyse it, commit the outcome; or give the job back.

An outage of the queue or the store is not counted against the job: it waits, and its attempt continues.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import structlog
from opentelemetry.trace import SpanKind
from redis.exceptions import RedisError

from mien.contract.errors import AttemptsExhausted, BadMedia, InvalidRequest, StorageUnavailable
from mien.contract.events import FaceWindow
from service.queue.consumer import Consumer
from service.storage.blobs import Blobs, result_name
from service.telemetry.traces import span
from service.worker import metrics
from service.worker.outages import Outages
from service.worker.pipeline import Analyzed, Pipeline
from service.worker.reporter import Reporter
from service.worker.running import RunningJob
from service.worker.sandbox import InterruptedWork

log = structlog.get_logger()

Reply = TypeVar("Reply")

_RATE_SMOOTHING = 0.3
# Pauses between tries to read a video that the store does not return although it works otherwise.
_READ_AGAIN_AFTER_S = (1.0, 4.0, 15.0)


class AttemptRunner:
    """Run attempts; any number of threads may call `run`.

    Args:
        consumer: the worker's end of the queue.
        blobs: the store of uploads and results.
        pipeline: analyses the videos.
        outages: waits for the end of outages.

    Attributes:
        price_per_s: recent speed of one job, 0 until a job has succeeded.
    """

    def __init__(self, consumer: Consumer, blobs: Blobs, pipeline: Pipeline, outages: Outages) -> None:
        self._consumer = consumer
        self._blobs = blobs
        self._pipeline = pipeline
        self._outages = outages
        self.price_per_s = 0.0

    def run(self, job: RunningJob) -> None:
        """Run a job's attempt to its end, whether that is a commit, a release or the loss of its lease."""
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
            current.set_attribute("outcome", outcome)
            metrics.ATTEMPTS.labels(outcome).inc()
            log.info("attempt ended", outcome=outcome)

    def _attempt(self, job: RunningJob) -> str:
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
            self._note_speed(attempt.price, time.monotonic() - started, done)
        except (BadMedia, InvalidRequest) as error:
            problem = error.problem()
            if not outlast(lambda: self._consumer.commit_failure(attempt, problem)):
                return "lost"
            outcome = "rejected"
        except (InterruptedWork, RedisError):
            raise
        # No fault of ours, so no traceback: the store fails, or the job was deleted with its video.
        except (StorageUnavailable, FileNotFoundError) as error:
            log.warning("attempt broke", error=str(error))
            return self._broken(job, error)
        except Exception as error:  # whatever broke, the job must be retried or fail
            log.exception("attempt broke")
            return self._broken(job, error)
        self._erase(attempt.upload)
        return outcome

    def _hand_back(self, job: RunningJob) -> str:
        if not job.draining:
            return "lost"
        try:
            released = self._consumer.release(job.attempt, counts=False)
        except RedisError as error:
            log.warning("queue unreachable, attempt lost", error=str(error))
            return "lost"
        return "handed_back" if released else "lost"

    def _analyze(self, job: RunningJob) -> Analyzed:
        attempt = job.attempt
        reporter = Reporter(self._consumer, attempt, self._outlasting(job))
        with ExitStack() as stack, span("analyze"):
            video = self._fetch(job, stack)
            try:
                for event in self._pipeline.analyze(
                    attempt.job_id,
                    video,
                    attempt.options,
                    job.interrupted,
                    again=attempt.number > 1,
                    on_wait=job.move,
                ):
                    job.move()
                    if isinstance(event, Analyzed):
                        reporter.send()
                        return event
                    if isinstance(event, FaceWindow):
                        metrics.WINDOWS.inc()
                    if not reporter.note(event):
                        job.interrupted.set()
            except BadMedia as error:
                # The decoder cannot tell a failing store from a bad video.
                if not _is_whole(video, attempt.size):
                    raise StorageUnavailable("The video could not be read to its end.", 1) from error
                raise
        raise RuntimeError("the pipeline ended without a result")

    def _fetch(self, job: RunningJob, stack: ExitStack) -> Path:
        """Return the job's video as a file that stays until `stack` is closed.

        Raises:
            FileNotFoundError: the store does not have it any more.
            StorageUnavailable: the store works, but does not return this video.
            InterruptedWork: the job was interrupted.
        """

        def on_piece() -> None:
            job.move()
            if job.interrupted.is_set():
                raise InterruptedWork

        for pause_s in (*_READ_AGAIN_AFTER_S, None):
            try:
                return stack.enter_context(self._blobs.local(job.attempt.upload, on_piece))
            except StorageUnavailable:
                self._outlasting(job)(lambda: self._blobs.check(job.attempt.size))
                if pause_s is None:
                    raise
            if job.interrupted.wait(pause_s):
                raise InterruptedWork
        raise AssertionError

    def _broken(self, job: RunningJob, error: Exception) -> str:
        attempt, outlast = job.attempt, self._outlasting(job)
        if isinstance(error, StorageUnavailable) and self._waited_for_store(job):
            released = outlast(lambda: self._consumer.release(attempt, counts=False, error=type(error).__name__))
            return "handed_back" if released else "lost"
        if attempt.number < self._consumer.max_attempts:
            job.interrupted.wait(random.uniform(0.1, 1.0) * attempt.number)  # noqa: S311 - jitter, no secret
            released = outlast(lambda: self._consumer.release(attempt, counts=True, error=type(error).__name__))
            return "retried" if released else "lost"
        reason = "its video was missing from the store" if isinstance(error, FileNotFoundError) else "it failed"
        exhausted = AttemptsExhausted(
            f"The analysis was tried {attempt.number} times without success; the last time {reason}. "
            "Upload the video again; if it happens again, give the operator of this service the analysis id."
        )
        if not outlast(lambda: self._consumer.commit_failure(attempt, exhausted.problem())):
            return "lost"
        self._erase(attempt.upload)
        return "exhausted"

    def _waited_for_store(self, job: RunningJob) -> bool:
        """Wait until the store works; return False if it works at once, so that only this video cannot be read."""
        tries = 0

        def check() -> None:
            nonlocal tries
            tries += 1
            self._blobs.check(job.attempt.size)

        self._outlasting(job)(check)
        return tries > 1

    def _outlasting(self, job: RunningJob) -> Callable[[Callable[[], Reply]], Reply]:
        """Return a function that calls another again whenever an outage made it fail, until the job is interrupted."""
        return lambda action: self._outages.outlast(action, job.interrupted, job.move)

    def _erase(self, name: str) -> None:
        try:
            self._blobs.delete([name])
            self._consumer.erased(name)
        except (StorageUnavailable, RedisError) as error:
            log.warning("not erased yet, left to a gateway", error=str(error))

    def _note_speed(self, price: int, elapsed_s: float, done: Analyzed) -> None:
        metrics.VIDEO_SECONDS.inc(done.findings.video.duration_s)
        metrics.STAGE_SECONDS.labels("decode").observe(done.decode_ms / 1000)
        metrics.STAGE_SECONDS.labels("inference").observe(done.inference_ms / 1000)
        rate = price / max(elapsed_s, 1e-3)
        old = self.price_per_s
        self.price_per_s = rate if old == 0 else old + _RATE_SMOOTHING * (rate - old)


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
