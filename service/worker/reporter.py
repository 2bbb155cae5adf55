"""Report the events of one attempt to the queue in batches."""

from __future__ import annotations

import time
from collections.abc import Callable

from mien.contract.events import FaceWindow
from mien.contract.results import Progress
from service.queue.consumer import Attempt, Consumer

_EVERY_S = 0.25
_MOST_WINDOWS = 256


class Reporter:
    """Buffer windows and the latest progress of an attempt and send them together.

    Batching saves a round trip per window. The first window is sent at once, a later one with the first pipeline event
    that comes at least 0.25 s after the last report.

    Args:
        consumer: the worker's end of the queue.
        attempt: the attempt whose events are reported.
        outlast: calls a function again whenever an outage of the queue made it fail.
    """

    def __init__(self, consumer: Consumer, attempt: Attempt, outlast: Callable[[Callable[[], bool]], bool]) -> None:
        self._consumer = consumer
        self._attempt = attempt
        self._outlast = outlast
        self._windows: list[FaceWindow] = []
        self._progress: Progress | None = None
        self._next = 1  # number of the next event; 0 is `began`
        self._sent_at = float("-inf")
        self._window_sent = False

    def note(self, event: Progress | FaceWindow) -> bool:
        """Buffer an event and send the buffer if it is due; return False if the attempt lost its job."""
        if isinstance(event, Progress):
            self._progress = event
        else:
            self._windows.append(event)
        if self._windows and not self._window_sent:
            return self.send()
        if time.monotonic() - self._sent_at < _EVERY_S and len(self._windows) < _MOST_WINDOWS:
            return True
        return self.send()

    def send(self) -> bool:
        """Send the buffered events; return False if the attempt lost its job."""
        happened: list[Progress | FaceWindow] = [*self._windows]
        if self._progress is not None:
            happened.append(self._progress)
        if not happened:
            return True
        current = self._outlast(lambda: self._consumer.report(self._attempt, happened, self._next))
        self._next += len(happened)
        self._window_sent = self._window_sent or bool(self._windows)
        self._windows, self._progress = [], None
        self._sent_at = time.monotonic()
        return current
