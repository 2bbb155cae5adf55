"""Sampling grids: the times at which frames are analysed. Each bundle has its own, t_k = start_s + k·interval_s."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

LONGEST_STEP_S = 0.2  # track faces at least this often, even if every bundle samples more coarsely
SAME_S = 0.0005
"""Rounding error of containers that store times in milliseconds."""

_ROUNDING_S = 1e-6  # of floats


@dataclass(frozen=True)
class Instant:
    """A time at which the frame on display is analysed, and the indices of the specs whose grid contains it."""

    time_s: float
    specs: tuple[int, ...]


class OnDisplay(Protocol):
    """A frame that is on display in [time_s, until_s)."""

    @property
    def time_s(self) -> float:
        """Start of its display."""
        ...

    @property
    def until_s(self) -> float:
        """End of its display."""
        ...


Frame = TypeVar("Frame", bound=OnDisplay)


class Grid:
    """Merge the sampling grids of all specs; each instant comes once, in order.

    Args:
        intervals_s: the interval of each spec in seconds.
        start_s: the first instant.
    """

    def __init__(self, intervals_s: Sequence[float], start_s: float) -> None:
        extra = [LONGEST_STEP_S] if min(intervals_s, default=1.0) > LONGEST_STEP_S else []
        self._intervals_s = [*intervals_s, *extra]
        self._specs = len(intervals_s)
        self._start_s = start_s
        self._next = [0] * len(self._intervals_s)

    def until(self, end_s: float) -> Iterator[Instant]:
        """Yield the instants before `end_s` that have not been yielded yet."""
        while True:
            times = [self._start_s + k * step for k, step in zip(self._next, self._intervals_s, strict=True)]
            time_s = min(times)
            if time_s >= end_s - SAME_S:
                return
            due = [i for i, other in enumerate(times) if other < time_s + SAME_S]
            for i in due:
                self._next[i] += 1
            yield Instant(time_s, tuple(i for i in due if i < self._specs))

    def falls_in(self, start_s: float, end_s: float) -> bool:
        """Return whether a frame on display in [start_s, end_s) is one that `on_display` has instants for."""
        first_s, end_s = (side_s - SAME_S - self._start_s for side_s in (start_s, end_s))
        return any(math.ceil((first_s - _ROUNDING_S) / step) * step < end_s + _ROUNDING_S for step in self._intervals_s)

    def sampled(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Instant, bool]]:
        """Yield each instant with the frame on display; instants before the first frame are skipped.

        Args:
            frames: the frames in order, without gaps.

        Yields:
            The frame, the instant, and whether the frame is the same as at the previous instant.
        """
        for frame in frames:
            again = False
            for instant in self.on_display(frame):
                yield frame, instant, again
                again = True

    def on_display(self, frame: OnDisplay) -> Iterator[Instant]:
        """Yield the instants at which a frame is on display; earlier ones are skipped, for nothing was on display."""
        for _ in self.until(frame.time_s):
            pass
        yield from self.until(frame.until_s)
