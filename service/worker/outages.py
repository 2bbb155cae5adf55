"""Wait for the end of outages of the queue and of the store: repeat what they make fail until it works."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Literal, TypeVar

import structlog
from redis.exceptions import RedisError

from mien.contract.errors import StorageUnavailable
from service.queue.connection import is_outage
from service.worker import metrics
from service.worker.sandbox import InterruptedWork

log = structlog.get_logger()

Part = Literal["queue", "store"]

Reply = TypeVar("Reply")

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0


class Outages:
    """Wait for the end of outages, and report them to the log, the metrics and the registration."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[Part] = Counter()

    @property
    def parts(self) -> list[Part]:
        """The parts that this worker waits for now."""
        with self._lock:
            return sorted(part for part, count in self._waiting.items() if count)

    def outlast(
        self, action: Callable[[], Reply], stopping: threading.Event, on_wait: Callable[[], None] = lambda: None
    ) -> Reply:
        """Return what `action` returns; repeat it with growing pauses during an outage of the queue or the store.

        Args:
            action: safe to repeat.
            stopping: set to end the waiting.
            on_wait: called before each pause.

        Raises:
            InterruptedWork: `stopping` was set.
        """
        pause_s = _FIRST_PAUSE_S
        out: Part | None = None
        try:
            while True:
                try:
                    return action()
                except (RedisError, StorageUnavailable) as error:
                    if isinstance(error, RedisError) and not is_outage(error):
                        raise
                    part: Part = "queue" if isinstance(error, RedisError) else "store"
                    if out != part:
                        self._note(out, part, str(error.__cause__ or error))
                        out = part
                on_wait()
                if stopping.wait(random.uniform(pause_s / 2, pause_s)):  # noqa: S311 - jitter, no secret
                    raise InterruptedWork
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        finally:
            self._note(out, None)

    def _note(self, before: Part | None, now: Part | None, reason: str = "") -> None:
        with self._lock:
            for part, change in ((before, -1), (now, 1)):
                if part is not None:
                    self._waiting[part] += change
                    metrics.WAITING.labels(part).set(self._waiting[part])
        if now is not None:
            log.warning("outage, work waits", waits_for=now, reason=reason)
        elif before is not None:
            log.info("outage waited out", waited_for=before)
