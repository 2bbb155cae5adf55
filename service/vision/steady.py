"""Smooth a face's box: optical flow moves it, detections correct it gradually. Boxes are square."""

from __future__ import annotations

import math

from service.vision.boxes import Box
from service.vision.flow import Motion

_LEAST_GAIN = 0.15  # minimum weight of a new detection; the first ones are averaged
_FAR = 0.25  # share of the side: a detection farther off means that the flow drifted
_FAR_GAIN = 0.5
_SETTLE_S = 0.3  # time constant with which the box approaches the goal
_GROWTH = 1.25  # maximum growth from one picture to the next


class SteadyBox:
    """Centre and side of one face: the average of its detections (the goal) and the smoothed value (the box)."""

    def __init__(self, box: Box) -> None:
        self._shown = self._goal = (box.x + box.w / 2, box.y + box.h / 2, max(box.w, box.h))
        self._corrections = 1

    @property
    def box(self) -> Box:
        """The smoothed box."""
        x, y, side = self._shown
        return Box(x - side / 2, y - side / 2, side, side)

    def move(self, motion: Motion) -> None:
        """Move box and goal with the face's points."""
        growth = min(_GROWTH, max(1 / _GROWTH, motion.growth))
        x, y, side = self._shown
        goal_x, goal_y, goal_side = self._goal
        to_x, to_y = x + motion.dx, y + motion.dy
        self._shown = to_x, to_y, side * growth
        self._goal = to_x + (goal_x - x) * growth, to_y + (goal_y - y) * growth, goal_side * growth

    def correct(self, found: Box) -> None:
        """Update the goal with a new detection."""
        self._corrections += 1
        x, y, side = self._goal
        by = found.x + found.w / 2 - x, found.y + found.h / 2 - y, max(found.w, found.h) - side
        gain = max(1 / self._corrections, _LEAST_GAIN)
        if max(abs(value) for value in by) > _FAR * side:
            gain = max(gain, _FAR_GAIN)
        self._goal = x + gain * by[0], y + gain * by[1], side + gain * by[2]

    def settle(self, elapsed_s: float) -> None:
        """Move the box towards the goal."""
        share = 1 - math.exp(-elapsed_s / _SETTLE_S)
        x, y, side = (shown + share * (goal - shown) for shown, goal in zip(self._shown, self._goal, strict=True))
        self._shown = x, y, side
