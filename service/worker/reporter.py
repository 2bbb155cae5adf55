"""What happens in one attempt → the queue, in batches."""

from __future__ import annotations

import time

from mien.contract.events import FaceWindow
from mien.contract.results import Progress
from service.queue.consumer import Attempt, Consumer
from service.worker.pipeline import WindowScored

_EVERY_S = 0.25
_MOST_WINDOWS = 256


class Reporter:
    """Gathers the windows and the latest progress of an attempt and tells them together.

    A window so costs no round trip of its own, and waits for at most a quarter of a second and the pipeline's next
    event.
    """

    def __init__(self, consumer: Consumer, attempt: Attempt) -> None:
        self._consumer = consumer
        self._attempt = attempt
        self._windows: list[FaceWindow] = []
        self._progress: Progress | None = None
        self._next = 1  # 0 is `began`
        self._told_at = float("-inf")

    def note(self, event: Progress | WindowScored) -> bool:
        """Take an event in, and tell if it is time; False where the attempt is not the job's any more."""
        if isinstance(event, Progress):
            self._progress = event
        else:
            scored = {name: getattr(event.window, name) for name in event.window.model_fields_set}
            self._windows.append(FaceWindow(track=event.track, **scored))
        if time.monotonic() - self._told_at < _EVERY_S and len(self._windows) < _MOST_WINDOWS:
            return True
        return self.tell()

    def tell(self) -> bool:
        """Tell what has gathered; False where the attempt is not the job's any more."""
        happened: list[Progress | FaceWindow] = [*self._windows]
        if self._progress is not None:
            happened.append(self._progress)
        if not happened:
            return True
        current = self._consumer.report(self._attempt, happened, self._next)
        self._next += len(happened)
        self._windows, self._progress = [], None
        self._told_at = time.monotonic()
        return current
