"""Windows without their overlap: each stands for the time that is nearest to its centre."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from mien.contract.results import Expression, Face, Window

UNCERTAIN = "uncertain"
_SURE = 0.5  # below it, all other expressions together are more probable than the most probable one


class Segment(NamedTuple):
    """The part of a face's time for which a window stands."""

    start_s: float
    end_s: float
    window: Window


def segments(timeline: Sequence[Window]) -> Iterator[Segment]:
    """Divide a face's time among its windows: two that overlap or touch meet halfway between their centres."""
    start_s: float | None = None
    for window, after in zip_longest(timeline, timeline[1:]):
        begin = window.start_s if start_s is None else start_s
        if after is not None and after.start_s <= window.end_s:
            end_s = (window.start_s + window.end_s + after.start_s + after.end_s) / 4
            start_s = end_s
        else:
            end_s, start_s = window.end_s, None
        yield Segment(begin, max(begin, end_s), window)


def dominant(expression: Expression) -> str:
    """Return the most probable label, or `UNCERTAIN` if its probability is below 0.5."""
    return expression.label if expression.scores[expression.label] >= _SURE else UNCERTAIN


def shares(face: Face) -> dict[str, float]:
    """Return for how much of a face's time each expression is dominant, the longest first."""
    seconds: dict[str, float] = {}
    for start_s, end_s, window in segments(face.timeline):
        if window.expression is not None:
            label = dominant(window.expression)
            seconds[label] = seconds.get(label, 0.0) + end_s - start_s
    total = sum(seconds.values()) or 1.0
    return {label: part / total for label, part in sorted(seconds.items(), key=lambda item: -item[1])}
