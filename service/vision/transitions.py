"""Recognise gradual transitions (dissolves and wipes) at the place of one face.

In a transition from A to B, each part of a picture M in between is a blend: M = A + a·(B - A), with `a` rising from 0
to 1, everywhere at once in a dissolve, from part to part in a wipe. A face that moves or turns gives no such blends:
what moves is in neither place in between. Both the face's own crops and the pictures at a fixed place have to blend,
since a face that comes into a fixed place in one jump looks like a wipe there, and not in its own crops.

Crops come the oldest first; their parts are 6 × 6 pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box
from service.vision.crop import cut_out

LONGEST_S = 2.6  # a transition of two seconds, and what shows that it is over
_AT_LEAST_S = 0.06  # between two pictures: more of them cost time and tell nothing
_STEPS = (3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 36, 43)  # lengths of the examined ends of the history, in pictures
_SIDE, _PART = 24, 6
_MARGIN = 0.1

# Measured on rendered people: the likeness before and after is below 0.7 for 99 of 100 pairs of them. What no blend
# explains, as a share of the energy of the difference, is 0.004 to 0.08 in transitions; moving faces that fall below
# that likeness leave 0.06 to 0.2.
_UNLIKE = 0.7
_RESIDUAL = 0.05  # at that likeness …
_SLACK = 0.1  # … and so much more for each 1.0 below it
_JUMP = 0.65  # a larger step is a cut, or a quick motion
_REST_S = 0.24  # a transition is over if so long …
_DONE = 0.92  # … so much of it was done


class Crop:
    """What is seen at a place.

    Attributes:
        pixels: RGB, uint8 (24, 24, 3).
        unit: the same as a unit vector, each colour centred: the dot product of two is their correlation.
    """

    def __init__(self, picture: NDArray[np.uint8], box: Box) -> None:
        self.pixels = cut_out(picture, box, margin=_MARGIN, size=_SIDE)
        centred = self.pixels.astype(np.float32)
        centred -= cv2.mean(self.pixels)[:3]
        self.unit: NDArray[np.float32] = (centred / np.float32(np.linalg.norm(centred) + 1e-3)).ravel()


class Change(Enum):
    """What happens at a face's place."""

    NONE = auto()
    GOING = auto()
    OVER = auto()


class Pictures:
    """The last pictures."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, NDArray[np.uint8]]] = deque()

    def add(self, picture: NDArray[np.uint8], time_s: float) -> bool:
        """Add a picture; return whether it was taken: it is not if the last one is very recent."""
        if self._recent and time_s - self._recent[-1][0] < _AT_LEAST_S:
            return False
        self._recent.append((time_s, picture))
        while time_s - self._recent[0][0] > LONGEST_S:
            self._recent.popleft()
        return True

    def clear(self) -> None:
        """Forget the pictures before a cut."""
        self._recent.clear()

    def at(self, box: Box, count: int) -> list[Crop]:
        """Return the crops at a fixed place of the last `count` pictures."""
        return [Crop(picture, box) for _, picture in list(self._recent)[-count:]]


class Appearance:
    """How one face looked lately.

    Attributes:
        began_s: the earliest time at which the last transition that `change` reported can have begun.
    """

    def __init__(self) -> None:
        self.began_s = 0.0
        self._recent: deque[tuple[float, Crop]] = deque()

    def add(self, picture: NDArray[np.uint8], box: Box, time_s: float) -> None:
        """Add the face's crop from a picture that `Pictures.add` took."""
        self._recent.append((time_s, Crop(picture, box)))
        while time_s - self._recent[0][0] > LONGEST_S:
            self._recent.popleft()

    def change(self, pictures: Pictures, box: Box) -> Change:
        """Tell whether the face is in a transition, given the last pictures and the face's box in the last one."""
        found = Change.NONE
        own = [crop for _, crop in self._recent]
        fixed: list[Crop] = []
        for steps in _STEPS:
            if len(own) <= steps:
                break
            if (mine := _transition(own[-steps - 1 :])) is None:
                continue
            fixed = fixed or pictures.at(box, len(own))
            if (there := _transition(fixed[-steps - 1 :])) is None:
                continue
            found = Change.GOING
            # What is examined may be only the second half of it.
            self.began_s = 2 * self._recent[-steps - 1][0] - self._recent[-1][0]
            rest = sum(time_s > self._recent[-1][0] - _REST_S - _AT_LEAST_S / 2 for time_s, _ in self._recent)
            if rest < steps and min(mine[-rest], there[-rest]) >= _DONE:
                return Change.OVER
        return found


def _transition(crops: Sequence[Crop]) -> NDArray[np.float32] | None:
    """Return how much of a transition is done at each crop, (T,), or None if they do not show one.

    Args:
        crops: the first one is before it, or at its start, the last one after it, or at its end.
    """
    unlike = _UNLIKE - float(crops[0].unit @ crops[-1].unit)
    if unlike <= 0:
        return None
    taken = np.stack([crop.pixels for crop in crops]).astype(np.float32)  # (T, S, S, 3)
    count = _SIDE // _PART
    # (T, n·p, n·p, 3) → (T, n, p, n, p, 3) → (T, n·n, p·p·3)
    parts = (taken - taken[0]).reshape(-1, count, _PART, count, _PART, 3).transpose(0, 1, 3, 2, 4, 5)
    parts = parts.reshape(len(taken), count * count, -1)
    goal = parts[-1]
    energy = (goal * goal).sum(1) + 1e-3  # (n·n,)
    along = (parts * goal).sum(2)  # (T, n·n)
    done = np.maximum.accumulate(np.clip(along / energy, 0, 1), axis=0)
    left = parts[1:-1] - done[1:-1, :, None] * goal
    residual = float((left * left).sum((1, 2)).mean() / energy.sum())
    shares: NDArray[np.float32] = np.clip(along.sum(1) / energy.sum(), 0, 1)
    blends = residual < _RESIDUAL + _SLACK * unlike and float(np.abs(np.diff(shares)).max()) < _JUMP
    return shares if blends else None
