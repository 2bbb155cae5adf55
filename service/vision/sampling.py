"""At which media times the frames are looked at. Each bundle has its own grid, t_k = start_s + k·interval_s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

LONGEST_STEP_S = 0.2  # faces are followed at least this often, also where every bundle wants fewer frames
_SAME_S = 0.0005  # containers that count in milliseconds round a frame's time by up to this much


@dataclass(frozen=True)
class Instant:
    """A time at which the frame on display is looked at, and the specs (by index) whose grid has it."""

    time_s: float
    specs: tuple[int, ...]


class OnDisplay(Protocol):
    """What is on display in [time_s, until_s)."""

    @property
    def time_s(self) -> float:
        """When it comes."""
        ...

    @property
    def until_s(self) -> float:
        """When it goes."""
        ...


Frame = TypeVar("Frame", bound=OnDisplay)


class Grid:
    """All grids merged; each instant is given out once, in order.

    Args:
        intervals_s: each spec's interval, in seconds.
        start_s: the first instant.
    """

    def __init__(self, intervals_s: Sequence[float], start_s: float) -> None:
        extra = [LONGEST_STEP_S] if min(intervals_s, default=1.0) > LONGEST_STEP_S else []
        self._intervals_s = [*intervals_s, *extra]
        self._specs = len(intervals_s)
        self._start_s = start_s
        self._next = [0] * len(self._intervals_s)

    def until(self, end_s: float) -> Iterator[Instant]:
        """Yield the instants before `end_s` that were not given out yet."""
        while True:
            times = [self._start_s + k * step for k, step in zip(self._next, self._intervals_s, strict=True)]
            time_s = min(times)
            if time_s >= end_s - _SAME_S:
                return
            due = [i for i, other in enumerate(times) if other < time_s + _SAME_S]
            for i in due:
                self._next[i] += 1
            yield Instant(time_s, tuple(i for i in due if i < self._specs))

    def looks(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Instant, bool]]:
        """Yield, for each instant, the frame on display; instants before the first frame are left out.

        Args:
            frames: in order and without a gap.

        Yields:
            The frame, the instant, and whether it is the same frame again as at the instant before.
        """
        for frame in frames:
            for _ in self.until(frame.time_s):  # nothing was on display yet
                pass
            again = False
            for instant in self.until(frame.until_s):
                yield frame, instant, again
                again = True
