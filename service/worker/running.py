"""Keep track of the jobs that run in this worker."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from service.queue.consumer import Attempt
from service.worker import metrics

HUNG_AFTER_S = 180.0
"""Longer than every bounded wait in the main loop and, with the default settings, in a job.

A wait for the models counts as progress, because a run that does not end is noticed by the batcher.
"""
_STALL_MARGIN_S = 60.0  # for the end of a stalled decode child
# How long an interrupted job may take to notice.
_INTERRUPTED_S = 10.0


def hung_after_s(decode_stall_s: float) -> float:
    """Return after how many seconds without progress a job hangs, for this limit of decode stalls in seconds."""
    return max(HUNG_AFTER_S, decode_stall_s + _STALL_MARGIN_S)


@dataclass
class RunningJob:
    """A running job.

    Attributes:
        attempt: its attempt.
        hung_after_s: seconds without progress after which it hangs.
        interrupted: set to end its pipeline and its waits.
        draining: whether it was interrupted because the worker stops, so that it is handed back.
        moved_at: when it last made progress, on the monotonic clock.
    """

    attempt: Attempt
    hung_after_s: float = HUNG_AFTER_S
    interrupted: threading.Event = field(default_factory=threading.Event)
    draining: bool = False
    moved_at: float = field(default_factory=time.monotonic)

    def move(self) -> None:
        """Record that it makes progress, or waits for something known."""
        self.moved_at = time.monotonic()

    @property
    def moving(self) -> bool:
        """Whether it made progress recently; otherwise it hangs."""
        return time.monotonic() - self.moved_at < self.hung_after_s


class RunningJobs:
    """The jobs that run in this worker; safe to call from several threads."""

    def __init__(self) -> None:
        self._jobs: dict[str, RunningJob] = {}
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Return how many jobs run."""
        return len(self._jobs)

    def find(self, job_id: str) -> RunningJob | None:
        """Return a job, if it runs here."""
        with self._changed:
            return self._jobs.get(job_id)

    def moving(self) -> list[RunningJob]:
        """Return the jobs that make progress."""
        with self._changed:
            return [job for job in self._jobs.values() if job.moving]

    def any_hangs(self) -> bool:
        """Return whether a job makes no progress."""
        with self._changed:
            return not all(job.moving for job in self._jobs.values())

    def add(self, job: RunningJob) -> None:
        """Add a job that begins."""
        with self._changed:
            self._jobs[job.attempt.job_id] = job
        metrics.RUNNING.inc()

    def remove(self, job: RunningJob) -> None:
        """Remove a job that ended."""
        with self._changed:
            if self._jobs.get(job.attempt.job_id) is job:
                del self._jobs[job.attempt.job_id]
            self._changed.notify_all()
        metrics.RUNNING.dec()

    def wait(self, timeout_s: float) -> None:
        """Wait until a job ends, at most `timeout_s`."""
        with self._changed:
            self._changed.wait(timeout_s)

    def wait_for(self, job: RunningJob, timeout_s: float) -> bool:
        """Return whether a job has ended, after waiting for that at most `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._jobs.get(job.attempt.job_id) is not job, timeout_s)

    def drain(self, drain_s: float) -> None:
        """Wait until all jobs have ended; after `drain_s`, interrupt those that have not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs, drain_s)
            for job in self._jobs.values():
                job.draining = True
                job.interrupted.set()
            self._changed.wait_for(lambda: not self._jobs, _INTERRUPTED_S)
