"""A small picture for tracking faces, with cached values that are computed from it."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Vector = NDArray[np.float32]

_THUMBNAIL = 32, 18


class SmallPicture:
    """A picture for tracking.

    Attributes:
        rgb: its pixels, uint8 (H, W, 3).
        gray: their gray levels, uint8 (H, W).
    """

    def __init__(self, rgb: NDArray[np.uint8]) -> None:
        self.rgb = rgb
        self.gray: Gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)

    @cached_property
    def thumbnail(self) -> Vector:
        """A few of its gray levels, (18, 32)."""
        return cv2.resize(self.gray, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)

    @cached_property
    def surroundings(self) -> Vector:
        """The thumbnail as `unit` gives it."""
        return unit(self.thumbnail)


def unit(values: NDArray[np.generic]) -> Vector:
    """Return values as a centred unit vector: the dot product of two is their correlation, in [-1, 1]."""
    vector = values.astype(np.float32).ravel()
    vector -= vector.mean()
    return vector / np.float32(np.linalg.norm(vector) + 1e-6)
