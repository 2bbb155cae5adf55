"""Crop a face from a picture: a square with a margin, resized for the model. RGB uint8 (H, W, 3)."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.faces import Box

_FINEST = 8  # maximum oversampling of a large face before it is shrunk, as a multiple of `size`


def cut_out(picture: NDArray[np.uint8], box: Box, *, margin: float, size: int) -> NDArray[np.uint8]:
    """Crop the square around a box's centre, with side (1 + 2·margin) × the box's longer side, to (size, size, 3).

    Outside the picture, its edge pixels are repeated. Sampling is sub-pixel, so that slow motion stays smooth, and
    squares larger than `size` are shrunk by area averaging.
    """
    side = (1 + 2 * margin) * max(box.w, box.h)
    left, top = box.x + (box.w - side) / 2, box.y + (box.h - side) / 2
    finer = min(_FINEST, max(1, math.ceil(side / size)))
    samples = finer * size
    step = side / samples
    # The centre of sample i lies at left + (i + ½)·step; the centre of pixel p lies at p + ½.
    offset = step / 2 - 0.5
    at = np.array([[step, 0, left + offset], [0, step, top + offset]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    square = cv2.warpAffine(picture, at, (samples, samples), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if finer > 1:
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return square.astype(np.uint8, copy=False)
