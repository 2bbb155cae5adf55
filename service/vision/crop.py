"""Crop a face from a picture: a square with a margin, resized for the model. RGB uint8 (H, W, 3).

Coordinates are continuous: pixel p reaches from p to p + 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box

_FINEST = 2  # maximum oversampling before a crop is shrunk to its size; the samples are less than two pixels apart
_STEP = 32  # pixels: parts of a picture begin at multiples of this, so that the same pixels are always averaged


class Square(NamedTuple):
    """What a crop shows of a picture, in its pixels."""

    left: float
    top: float
    side: float

    def within(self, rows: slice, columns: slice) -> Square:
        """Return the same in the pixels of a part of the picture."""
        return self._replace(left=self.left - columns.start, top=self.top - rows.start)


def cut_out(picture: NDArray[np.uint8], box: Box, *, margin: float, size: int) -> NDArray[np.uint8]:
    """Crop the square around a box, see `square_around`, to (size, size, 3)."""
    return sample(picture, square_around(box, margin), size)


def square_around(box: Box, margin: float) -> Square:
    """Return the square around a box's centre, with side (1 + 2·margin) × the box's longer side."""
    side = (1 + 2 * margin) * max(box.w, box.h)
    return Square(box.x + (box.w - side) / 2, box.y + (box.h - side) / 2, side)


def part_around(square: Square, size: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a picture, (H, W, …), that `sample` needs for a square."""
    beside = 1 + 2 * square.side / size
    spans = []
    for first, most in ((square.top, shape[0]), (square.left, shape[1])):
        begin = math.floor((first - beside) / _STEP) * _STEP
        end = math.ceil((first + square.side + beside) / _STEP) * _STEP
        begin = min(max(0, begin), (most - 1) // _STEP * _STEP)
        spans.append(slice(begin, min(max(begin + _STEP, end), most)))
    return spans[0], spans[1]


def sample(picture: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """Resize what a square shows of a picture to (size, size, 3).

    Outside the picture, its edge pixels are repeated. Sampling is sub-pixel, so that slow motion stays smooth, and
    larger squares than `size` are shrunk by area averaging.
    """
    if square.side >= 2 * _FINEST * size:
        rows, columns = part_around(square, size, picture.shape)
        picture, square = picture[rows, columns], square.within(rows, columns)
    while square.side >= 2 * _FINEST * size and min(picture.shape[:2]) > 1:
        # By two and by nothing else, OpenCV shrinks with vector instructions.
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        picture = _shrunk(picture[: 2 * height, : 2 * width], (width, height))
        square = Square(*(length / 2 for length in square))
    samples = size * min(_FINEST, max(1, math.ceil(square.side / size)))
    step = square.side / samples
    # The centre of sample i lies at left + (i + ½)·step; the centre of pixel p lies at p + ½.
    offset = step / 2 - 0.5
    at = np.array([[step, 0, square.left + offset], [0, step, square.top + offset]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(picture, at, (samples, samples), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crop.astype(np.uint8, copy=False) if samples == size else _shrunk(crop, (size, size))


def _shrunk(picture: cv2.typing.MatLike, size: tuple[int, int]) -> NDArray[np.uint8]:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
