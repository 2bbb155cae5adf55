"""Stop a run gracefully: on Ctrl-C or SIGTERM it finishes its step and saves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignal:
    """Whether a stop signal has arrived."""

    def __init__(self) -> None:
        self.received = False


@contextmanager
def stop_on_signals() -> Iterator[StopSignal]:
    """Record the first SIGINT or SIGTERM; the next one has its usual effect."""
    stop = StopSignal()
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: FrameType | None) -> None:
        stop.received = True
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
