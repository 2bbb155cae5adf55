"""Tell a drawing from a photographed face: large parts of a drawing have one colour without any shading."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 48
_EDGE = 95  # percentile of the gradients: an edge …
_PLAIN = 0.02  # … and as a share of it, what is none at all
_DARKEST, _BRIGHTEST = 8, 247  # gray levels: beyond, a photograph may have no shading left
# Of each half, for a mask or a board may cover one of a real face. Measured: 0.16 at most for real and rendered faces,
# also dark, bright, smoothed or compressed until they fall apart; 0.33 and more for drawings that are taken for faces.
_DRAWN = 0.25


def is_drawn(face: NDArray[np.uint8]) -> bool:
    """Return whether a picture of a face alone, RGB (H, W, 3), is a drawing."""
    if not face.size:
        return False
    finer = cv2.INTER_AREA if min(face.shape[:2]) > _SIDE else cv2.INTER_LINEAR
    gray = cv2.cvtColor(cv2.resize(face, (_SIDE, _SIDE), interpolation=finer), cv2.COLOR_RGB2GRAY)
    across, down = (cv2.Sobel(gray, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    gradients = np.hypot(across, down)
    plain = gradients < _PLAIN * np.percentile(gradients, _EDGE)
    plain &= (gray > _DARKEST) & (gray < _BRIGHTEST)
    middle = _SIDE // 2
    halves = plain[:middle], plain[middle:], plain[:, :middle], plain[:, middle:]
    return min(float(half.mean()) for half in halves) > _DRAWN
