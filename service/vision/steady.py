"""A face's box that does not tremble: optical flow carries it, detections correct it softly. Boxes are square."""

from __future__ import annotations

import math

from service.vision.faces import Box
from service.vision.flow import Motion

_LEAST_GAIN = 0.15  # of a new detection, once there are many; the first ones are averaged
_FAR = 0.25  # of the side: a detection this far off says that the flow went astray
_FAR_GAIN = 0.5
_SETTLE_S = 0.3  # time in which the box comes 63 % nearer to where the detections say it is
_GROWTH = 1.25  # at most, from one picture to the next


class SteadyBox:
    """Centre and side of one face, as detections have them on average (the goal) and as shown (the box)."""

    def __init__(self, box: Box) -> None:
        self._shown = self._goal = (box.x + box.w / 2, box.y + box.h / 2, max(box.w, box.h))
        self._corrections = 1

    @property
    def box(self) -> Box:
        """The box as shown."""
        x, y, side = self._shown
        return Box(x - side / 2, y - side / 2, side, side)

    def move(self, motion: Motion) -> None:
        """Carry the face along with what its points did."""
        growth = min(_GROWTH, max(1 / _GROWTH, motion.growth))
        x, y, side = self._shown
        goal_x, goal_y, goal_side = self._goal
        to_x, to_y = x + motion.dx, y + motion.dy
        self._shown = to_x, to_y, side * growth
        self._goal = to_x + (goal_x - x) * growth, to_y + (goal_y - y) * growth, goal_side * growth

    def correct(self, found: Box) -> None:
        """Take a new detection into account."""
        self._corrections += 1
        x, y, side = self._goal
        by = found.x + found.w / 2 - x, found.y + found.h / 2 - y, max(found.w, found.h) - side
        gain = max(1 / self._corrections, _LEAST_GAIN)
        if max(abs(value) for value in by) > _FAR * side:
            gain = max(gain, _FAR_GAIN)
        self._goal = x + gain * by[0], y + gain * by[1], side + gain * by[2]

    def settle(self, elapsed_s: float) -> None:
        """Let the box come nearer to the goal."""
        share = 1 - math.exp(-elapsed_s / _SETTLE_S)
        x, y, side = (shown + share * (goal - shown) for shown, goal in zip(self._shown, self._goal, strict=True))
        self._shown = x, y, side
