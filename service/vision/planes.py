"""A decoded frame's planes, luma and chroma, of which only what is needed is converted to RGB.

Nothing is copied until a part is asked for: for one face in 720p, converting all of the frame to RGB takes as long as
decoding it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.crop import Square, halved, sample

Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class Planes:
    """A picture in planes.

    Attributes:
        luma: uint8 (H, W).
        chroma: blue and red difference, uint8 (h, w), of lower resolution in most videos.
        to_rgb: what gives red, green and blue of (luma, blue difference, red difference, 1), (3, 4).
    """

    luma: Plane
    chroma: tuple[Plane, Plane]
    to_rgb: NDArray[np.float64]

    def turned(self, turns: int, *, mirrored: bool) -> Planes:
        """Return the picture mirrored left-right, if asked for, and turned counterclockwise by quarters."""

        def turn(plane: Plane) -> Plane:
            return np.rot90(plane[:, ::-1] if mirrored else plane, turns)

        if not turns and not mirrored:
            return self
        return replace(self, luma=turn(self.luma), chroma=(turn(self.chroma[0]), turn(self.chroma[1])))

    def shrunk(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the whole picture, width and height given, in RGB (H, W, 3)."""
        blue, red = (_resized(_shrunk(plane, (-(-size[0] // 2), -(-size[1] // 2))), size) for plane in self.chroma)
        return self._rgb(_resized(_shrunk(self.luma, size), size), blue, red)

    def part(self, shown: Square, size: int) -> NDArray[np.uint8]:
        """Return a part, in pixels of the luma, in RGB (size, size, 3); see `service.vision.crop.sample`."""
        height, width = self.luma.shape
        coarser = (shown.scaled(plane.shape[1] / width, plane.shape[0] / height) for plane in self.chroma)
        blue, red = (sample(plane, coarse, size, finest=1) for plane, coarse in zip(self.chroma, coarser, strict=True))
        return self._rgb(sample(self.luma, shown, size), blue, red)

    def _rgb(self, luma: Plane, blue: Plane, red: Plane) -> NDArray[np.uint8]:
        return cv2.transform(cv2.merge([luma, blue, red]), self.to_rgb).astype(np.uint8, copy=False)


@cache
def to_rgb(red: float, blue: float, *, full_range: bool) -> NDArray[np.float64]:
    """Return `Planes.to_rgb` for a matrix's weights of red and blue in luma, as BT.601 and BT.709 define them.

    Args:
        red: weight of red.
        blue: weight of blue.
        full_range: whether values have all of 0 to 255, or 16 to 235 (chroma 240).
    """
    green = 1 - red - blue
    of_red, of_blue = 2 * (1 - red), 2 * (1 - blue)
    from_yuv = np.array(
        [[1, 0, of_red], [1, -of_blue * blue / green, -of_red * red / green], [1, of_blue, 0]], np.float64
    )
    black, scale = (0, (1, 1, 1)) if full_range else (16, (255 / 219, 255 / 224, 255 / 224))
    linear = from_yuv * scale
    return np.hstack([linear, -linear @ [[black], [128], [128]]])


def _shrunk(plane: Plane, size: tuple[int, int]) -> Plane:
    """Halve a plane as long as it keeps at least a width and height."""
    while plane.shape[1] >= 2 * size[0] and plane.shape[0] >= 2 * size[1]:
        plane = halved(plane)
    return plane


def _resized(plane: Plane, size: tuple[int, int]) -> Plane:
    if plane.shape[::-1] == size:
        return plane
    return cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
