"""Detect the faces in one picture: RGB uint8 (H, W, 3).

A face's box is (x, y, w, h), floats in pixels. It is square, reaches from the middle of the forehead to the chin, and
is centred on the face. Both detectors use this convention, so crops do not depend on the detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.errors import Misconfigured


class Box(NamedTuple):
    """Left, top, width and height."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class Detection:
    """A detected face.

    Attributes:
        box: the face's box.
        sure: confident enough to start a track; other detections only continue one.
        facing: how far the face is turned to the camera, 0 (too far away to be read) to 1. The cascade detects only
            frontal faces and always gives 1.
    """

    box: Box
    sure: bool
    facing: float = 1.0


class FaceDetector(Protocol):
    """Detect the faces in one picture."""

    def __call__(self, picture: NDArray[np.uint8]) -> list[Detection]:
        """Return the detections in an RGB picture (H, W, 3), the largest first, without overlaps."""
        ...


def open_detector(yunet: Path | None) -> FaceDetector:
    """Return a YuNet detector if its model's path is given, else OpenCV's Haar cascade.

    Raises:
        Misconfigured: the model cannot be loaded.
    """
    return Cascade() if yunet is None else YuNet(yunet)


class Cascade:
    """OpenCV's frontal face cascade, confirmed by a second, independently trained cascade."""

    _STEP = 1.2  # ratio between two sizes of the search
    _NEIGHBOURS = 3
    _SMALLEST = 24  # pixels: the size that the cascade was trained on
    _PATCH = 80  # pixels: side of what the second cascade sees, the face with 30 % around it
    _MARGIN = 0.3
    # Measured: 20 to 45 neighbours on faces of any size, at most 7 on other things.
    _SURE = 12

    def __init__(self) -> None:
        folder = Path(cv2.__file__).parent / "data"
        self._search = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
        self._second = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))

    def __call__(self, picture: NDArray[np.uint8]) -> list[Detection]:
        """Detect the faces in an RGB picture."""
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        smallest = (self._SMALLEST, self._SMALLEST)
        found, _ = self._search.detectMultiScale2(gray, self._STEP, self._NEIGHBOURS, minSize=smallest)
        boxes = [Box(*(float(side) for side in box)) for box in found]
        return _apart([Detection(box, self._agrees(gray, box)) for box in boxes])

    def _agrees(self, gray: NDArray[np.uint8], box: Box) -> bool:
        around = box.w * self._MARGIN
        left, top = max(0, int(box.x - around)), max(0, int(box.y - around))
        patch = gray[top : int(box.y + box.h + around), left : int(box.x + box.w + around)]
        shrunk = cv2.resize(patch, (self._PATCH, self._PATCH), interpolation=cv2.INTER_AREA)
        half = (self._PATCH * 2 // 5, self._PATCH * 2 // 5)
        _, neighbours = self._second.detectMultiScale2(shrunk, 1.1, 1, minSize=half)
        return bool(max(neighbours, default=0) >= self._SURE)


class YuNet:
    """OpenCV Zoo's YuNet; its tall boxes are converted to square ones."""

    _FOUND = 0.6
    _SURE = 0.8
    _SHARE = 0.95  # of YuNet's height: the side of the square that the cascade draws (measured)
    _TURNED = (0.3, 0.7)  # see `_turn`: about 30 and 55 degrees, good to unreadable

    def __init__(self, model: Path) -> None:
        try:
            self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), self._FOUND, 0.3)
        except cv2.error as error:
            raise Misconfigured(f"{model} cannot be loaded as a YuNet face detector.") from error

    def __call__(self, picture: NDArray[np.uint8]) -> list[Detection]:
        """Detect the faces in an RGB picture."""
        self._net.setInputSize((picture.shape[1], picture.shape[0]))
        _, rows = self._net.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        found = []
        for x, y, w, h, *points, score in [] if rows is None else rows.tolist():
            side = max(w, h) * self._SHARE
            box = Box(x + (w - side) / 2, y + (h - side) / 2, side, side)
            facing = float(np.interp(_turn(np.reshape(points, (5, 2))), self._TURNED, (1, 0)))
            found.append(Detection(box, score >= self._SURE, facing))
        return _apart(found)


def _turn(points: NDArray[np.float64]) -> float:
    """Return the horizontal offset of the nose tip from the middle of the eyes, in eye distances.

    This is half the tangent of the head's yaw (measured up to 42 degrees).

    Args:
        points: eyes, nose tip and mouth corners, (5, 2).
    """
    one, other, nose = points[:3]
    across = other - one
    return float(abs((nose - (one + other) / 2) @ across) / max(across @ across, 1e-6))


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, in [0, 1]."""
    common = _common(a, b)
    return common / (a.w * a.h + b.w * b.h - common)


def covered(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over the smaller one's area, in [0, 1]."""
    return _common(a, b) / min(a.w * a.h, b.w * b.h)


def _common(a: Box, b: Box) -> float:
    width = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    height = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    return max(0.0, width) * max(0.0, height)


def _apart(found: list[Detection]) -> list[Detection]:
    """Remove overlapping detections, keeping sure ones first and then larger ones; return the largest first."""
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda d: (d.sure, d.box.w * d.box.h), reverse=True):
        if all(covered(candidate.box, other.box) < 0.5 for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda d: d.box.w * d.box.h, reverse=True)
