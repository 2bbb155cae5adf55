from __future__ import annotations

from typing import Any

import pytest

from mien.contract.events import FaceWindow
from mien.contract.results import Progress
from service.worker import reporter
from service.worker.reporter import Reporter


class Told:
    """A queue's end that keeps what it is told, until the attempt is lost."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, list[Any]]] = []
        self.lost = False

    def report(self, attempt: Any, happened: list[Any], first: int) -> bool:
        self.batches.append((first, list(happened)))
        return not self.lost


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds; a test moves it."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(reporter.time, "monotonic", lambda: Clock.now)
    return Clock


def window(start_s: float) -> FaceWindow:
    return FaceWindow(track=3, start_s=start_s, end_s=start_s + 1, valence=0.5)


def test_the_first_window_is_sent_at_once(clock):
    told = Told()
    telling = Reporter(told, None, lambda report: report())
    telling.note(Progress(done_s=0, total_s=10))
    clock.now += 0.1
    telling.note(window(1.0))
    telling.note(window(2.0))

    assert [batch for _, batch in told.batches] == [[Progress(done_s=0, total_s=10)], [window(1.0)]]


def test_events_within_a_quarter_of_a_second_are_sent_together(clock):
    told = Told()
    telling = Reporter(told, None, lambda report: report())
    for step in range(1, 11):
        clock.now = 100 + 0.1 * step
        assert telling.note(window(float(step)))
        assert telling.note(Progress(done_s=float(step), total_s=None))
    telling.send()
    telling.send()

    assert [first for first, _ in told.batches] == [1, 2, 6, 10, 14]
    assert told.batches[0][1] == [window(1.0)]
    # The latest progress stands for those before it.
    assert told.batches[1][1] == [
        window(2.0),
        window(3.0),
        window(4.0),
        Progress(done_s=3, total_s=None),
    ]
    windows = [what for _, batch in told.batches for what in batch if isinstance(what, FaceWindow)]
    assert windows == [window(float(step)) for step in range(1, 11)]
    assert windows[0].model_fields_set == {"track", "start_s", "end_s", "valence"}


def test_very_many_windows_at_once_do_not_wait(clock):
    told = Told()
    telling = Reporter(told, None, lambda report: report())

    for number in range(1000):
        telling.note(window(float(number)))

    assert max(len(batch) for _, batch in told.batches) == 256


def test_an_empty_buffer_is_not_sent(clock):
    told = Told()

    assert Reporter(told, None, lambda report: report()).send()
    assert told.batches == []


def test_send_returns_false_once_the_attempt_is_lost(clock):
    told = Told()
    told.lost = True

    assert not Reporter(told, None, lambda report: report()).note(window(0.0))
