"""Keep the worker registered and renew its leases, as long as it makes progress.

A worker that hangs loses its registration and its leases, and other workers take over its jobs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog
from redis.exceptions import RedisError

from mien.contract.workers import Registration
from service.queue.consumer import Consumer
from service.worker.running import HUNG_AFTER_S, RunningJobs

log = structlog.get_logger()

_REGISTER_EVERY_S = 5.0


class Keeper:
    """A thread beside the main loop, which runs for the duration of the `with` block.

    Args:
        consumer: the worker's end of the queue.
        running: the jobs whose leases are renewed while they make progress.
        register: returns this worker's registration.
        stopping: set when the worker drains: then it is not registered any more, but its leases are renewed.
    """

    def __init__(
        self,
        consumer: Consumer,
        running: RunningJobs,
        register: Callable[[], Registration],
        stopping: threading.Event,
    ) -> None:
        self._consumer = consumer
        self._running = running
        self._register = register
        self._stopping = stopping
        self._moved_at = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper")

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def move(self) -> None:
        """Record that the main loop makes progress, or waits for something known."""
        self._moved_at = time.monotonic()

    def _keep(self) -> None:
        registered_at = float("-inf")
        pause_s = 0.0
        while not self._ended.wait(pause_s):
            pause_s = min(self._consumer.lease_s / 4, _REGISTER_EVERY_S)
            now = time.monotonic()
            if now - self._moved_at > HUNG_AFTER_S and not self._stopping.is_set():
                continue
            try:
                self._renew()
                if now - registered_at >= _REGISTER_EVERY_S and not self._stopping.is_set():
                    self._consumer.register(self._register())
                    registered_at = now
            except RedisError as error:
                log.warning("queue unreachable, leases not renewed", error=str(error))

    def _renew(self) -> None:
        for job in self._running.moving():
            if not self._consumer.renew(job.attempt):
                job.interrupted.set()
