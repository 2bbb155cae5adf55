"""Convert presentation timestamps to seconds of the media clock, which only moves forward."""

from __future__ import annotations

_JUMP_S = 1.0  # a larger step back is a restart (concatenated files), not frames out of order
_TICK_S = 0.001  # step for a frame whose timestamp does not increase


class Clock:
    """Convert the timestamps of one stream, in decoding order, to strictly increasing times.

    Args:
        origin_s: timestamp of time 0, in seconds.
        frame_s: duration of a frame without a timestamp, in seconds.
    """

    def __init__(self, origin_s: float, frame_s: float) -> None:
        self._origin_s = origin_s
        self._frame_s = frame_s
        self._last_s: float | None = None

    def time(self, stamp_s: float | None) -> float:
        """Return the time of the next frame; without a timestamp, the last time plus one frame."""
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
