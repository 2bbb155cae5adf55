"""Presentation stamps → seconds of the media clock, which starts at the first frame and only moves forward."""

from __future__ import annotations

_JUMP_S = 1.0  # a stamp this far back is a new beginning (files glued together), not a disorder of neighbours
_TICK_S = 0.001  # the step given to a frame whose stamp does not move forward


class Clock:
    """Turns the stamps of one stream, in the order of decoding, into strictly increasing times.

    Args:
        origin_s: the stamp, in seconds, that is time 0.
        frame_s: how long a frame lasts where nothing says so, in seconds.
    """

    def __init__(self, origin_s: float, frame_s: float) -> None:
        self._origin_s = origin_s
        self._frame_s = frame_s
        self._last_s: float | None = None

    def time(self, stamp_s: float | None) -> float:
        """Return the time of the next frame; a missing stamp goes on at the frame rate."""
        last = self._last_s
        if stamp_s is None:
            time = 0.0 if last is None else last + self._frame_s
        else:
            time = stamp_s - self._origin_s
            if last is not None and time < last - _JUMP_S:
                self._origin_s = stamp_s - (last + self._frame_s)
                time = last + self._frame_s
            elif last is not None and time <= last:
                time = last + min(_TICK_S, self._frame_s)
        self._last_s = time
        return time
