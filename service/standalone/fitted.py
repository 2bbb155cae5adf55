"""Fit a picture into a frame of another shape."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def fitted(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture scaled to fit into a frame of another shape, in its middle, with black around it."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    across, down = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    left, top = (width - across) // 2, (height - down) // 2
    frame = np.zeros((height, width, 3), np.uint8)
    frame[top : top + down, left : left + across] = cv2.resize(picture, (across, down), interpolation=cv2.INTER_AREA)
    return frame
