"""Rate how well a picture shows a face, independently of its expression: 0 unreadable, 1 unhindered.

    clarity = size · inside · light · sharpness · wholeness,    quality = clarity · front

`front` comes from the face detector (`service.vision.tracks.TrackedFace`); the other factors are computed here. Each is
a linear ramp between two measured limits, clamped to [0, 1]; about 99 of 100 press pictures score 1 on each.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box

Luma = NDArray[np.float32]
"""A face's box in shades of gray, 0 to 255, (n, n)."""

FINEST = 64  # pixels: the side to which a larger face is shrunk before it is rated
_COARSEST = 16
_SMOOTHING = 1.5  # pixels, standard deviation: finer detail is camera noise
_RIM = 4  # pixels: border where filters reach beyond the picture

_SIDE = (16, 64)  # pixels, unreadable to good; so are all pairs below
_INSIDE = (0.5, 0.9)  # share of the box
_TOO_DARK = (12, 40)  # mean luma; 99 of 100 press pictures have 56 and more
_TOO_BRIGHT = (245, 220)
_CONTRAST = (4, 14)  # luma, standard deviation
_EDGE = (4.8, 2.4)  # pixels; 1.6 to 2.3 in sharp pictures, 4.8 where no more is left than in a face of 16 pixels
_WHOLE = (0.1, 0.4)  # share; 0.4 to 1 in pictures of uncovered faces, 0.1 where one half is plain


def clarity(crop: NDArray[np.uint8], box: Box, shape: tuple[int, ...]) -> float:
    """Rate the readability of a face's pixels, 0 to 1.

    Args:
        crop: the box's content, RGB (n, n, 3), n as `rated_at` says.
        box: the face, square, in pixels of a picture with no more detail than what the model's crops are cut from.
        shape: of that picture, (H, W, …).
    """
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return size(box.w) * inside(box, shape) * light(luma) * sharpness(luma) * wholeness(luma)


def rated_at(side: float) -> int:
    """Return the side in pixels at which a face of this side is rated."""
    return min(FINEST, max(_COARSEST, round(side)))


def size(side: float) -> float:
    """Rate a face's size, 0 to 1, by its box's side in pixels."""
    return _between(side, _SIDE)


def inside(box: Box, shape: tuple[int, ...]) -> float:
    """Rate the share of a face's box inside the picture, 0 to 1; `shape` is (H, W, …)."""
    height, width = shape[:2]
    across = min(width, box.x + box.w) - max(0.0, box.x)
    down = min(height, box.y + box.h) - max(0.0, box.y)
    return _between(max(0.0, across) * max(0.0, down) / (box.w * box.h), _INSIDE)


def light(luma: Luma) -> float:
    """Rate a face's exposure and contrast, 0 to 1."""
    mean, contrast = (float(one[0, 0]) for one in cv2.meanStdDev(luma))
    return _between(mean, _TOO_DARK) * _between(mean, _TOO_BRIGHT) * _between(contrast, _CONTRAST)


def sharpness(luma: Luma) -> float:
    """Rate a face's focus, 0 to 1, by the width of its edges in pixels, √(Σ|∇L|² / Σ(ΔL)²).

    For an edge blurred by a Gaussian, that is the standard deviation times √2, that of `_SMOOTHING` included. It does
    not depend on how many edges there are or how strong they are: a smooth face is as sharp as a wrinkled one. As a
    face is judged at 64 pixels at most, a large one may be blurred by more.
    """
    smooth = _smoothed(luma)
    within = (slice(_RIM, -_RIM),) * 2
    slopes, laplacian = (float((of[within] ** 2).sum()) for of in (_slopes(smooth), cv2.Laplacian(smooth, cv2.CV_32F)))
    return _between(math.sqrt(slopes / laplacian), _EDGE) if laplacian else 0.0


def wholeness(luma: Luma) -> float:
    """Rate how much of a face is visible, 0 to 1, by comparing its halves: left and right, upper and lower.

    What covers a half mostly has less relief than a face. Compared are the medians of |∇ log(L + 64)|: the logarithm
    makes light from one side matter less, the constant a dark cover's noise, the median a cover's own outline. A cover
    with as much relief as a face is not noticed.
    """
    slopes = _slopes(np.log(_smoothed(luma) + 64))
    half = len(slopes) // 2
    halves = (slopes[:, :half], slopes[:, -half:]), (slopes[:half], slopes[-half:])
    return min(_between(_ratio(*(_median(one) for one in pair)), _WHOLE) for pair in halves)


def _smoothed(luma: Luma) -> Luma:
    return cv2.GaussianBlur(luma, (0, 0), _SMOOTHING).astype(np.float32, copy=False)


def _slopes(values: Luma) -> Luma:
    """Return the length of the gradient at each pixel, (n, n), a pixel being the unit."""
    across, down = (cv2.Sobel(values, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    return cv2.magnitude(across, down).astype(np.float32, copy=False)


def _median(values: Luma) -> float:
    middle = values.size // 2
    return float(np.partition(values.ravel(), middle)[middle])  # a tenth of the time of np.median


def _ratio(one: float, other: float) -> float:
    """Return the smaller of two over the larger, 0 to 1."""
    return min(one, other) / max(one, other) if max(one, other) else 1.0


def _between(value: float, limits: tuple[float, float]) -> float:
    """Return how far a value is from the first limit to the second, 0 to 1; outside, 0 or 1."""
    bad, good = limits
    return min(max((value - bad) / (good - bad), 0.0), 1.0)
