"""Crop a face from a picture: a square with a margin, resized for the model. RGB uint8 (H, W, 3), or one of its planes.

Coordinates are continuous: pixel p reaches from p to p + 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.faces import Box


class Square(NamedTuple):
    """What a crop shows of a picture; pixels that are not square make it a rectangle."""

    left: float
    top: float
    width: float
    height: float

    def scaled(self, across: float, down: float) -> Square:
        """Return the same in the pixels of a larger or smaller picture."""
        return Square(self.left * across, self.top * down, self.width * across, self.height * down)


def square_around(box: Box, margin: float) -> Square:
    """Return the square around a box's centre, with side (1 + 2·margin) × the box's longer side."""
    side = (1 + 2 * margin) * max(box.w, box.h)
    return Square(box.x + (box.w - side) / 2, box.y + (box.h - side) / 2, side, side)


def cut_out(picture: NDArray[np.uint8], box: Box, *, margin: float, size: int) -> NDArray[np.uint8]:
    """Crop the square around a box's centre, see `square_around`, to (size, size, 3)."""
    return sample(picture, square_around(box, margin), size)


def sample(picture: NDArray[np.uint8], shown: Square, size: int, *, finest: int = 2) -> NDArray[np.uint8]:
    """Resize a part of a picture, (H, W) or (H, W, C), to `size` pixels on each side.

    Outside the picture, its edge pixels are repeated. Sampling is sub-pixel, so that slow motion stays smooth, and
    large parts are shrunk by area averaging.

    Args:
        picture: may be a turned view of another picture.
        shown: the part.
        size: of the result.
        finest: maximum oversampling in the last step, which shrinks by less than two.
    """
    shrinks = min(min(shown.width, shown.height) / size, *picture.shape[:2])
    halvings = math.floor(math.log2(max(1.0, shrinks)))
    pixels = 1 << halvings
    part, left, top = _surroundings(picture, shown, pixels)
    for _ in range(halvings):
        part = halved(part)
    samples = size * min(finest, max(1, math.ceil(max(shown.width, shown.height) / pixels / size)))
    across, down = shown.width / pixels / samples, shown.height / pixels / samples
    # The centre of sample i lies at left + (i + ½)·step; the centre of pixel p lies at p + ½.
    at = np.array(
        [
            [across, 0, (shown.left - left) / pixels + across / 2 - 0.5],
            [0, down, (shown.top - top) / pixels + down / 2 - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    square = cv2.warpAffine(part, at, (samples, samples), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if samples > size:
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return square.astype(np.uint8, copy=False)


def halved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to half its sides by area averaging; an odd last row or column is left out."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    # By two and by nothing else, OpenCV does this with vector instructions: several times are faster than one step.
    half = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return half.astype(np.uint8, copy=False)


def _surroundings(picture: NDArray[np.uint8], shown: Square, pixels: int) -> tuple[NDArray[np.uint8], int, int]:
    """Return the picture's pixels in and next to a part, and where they begin: a multiple of `pixels` on each side."""
    spans = []
    for first, length, most in (
        (shown.left, shown.width, picture.shape[1]),
        (shown.top, shown.height, picture.shape[0]),
    ):
        count = most // pixels
        begin = min(max(0, math.floor(first / pixels) - 1), count - 1)
        end = min(max(begin, math.ceil((first + length) / pixels)) + 1, count)
        spans.append((begin * pixels, end * pixels))
    (left, right), (top, bottom) = spans
    return np.ascontiguousarray(picture[top:bottom, left:right]), left, top
