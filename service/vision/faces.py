"""Detect the faces in one picture: RGB uint8 (H, W, 3).

A face's box is (x, y, w, h), floats in pixels. It is square, reaches from the middle of the forehead to the chin, and
is centred on the face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.errors import Misconfigured

_MODEL = Path(__file__).with_name("yunet.onnx")  # made by docs/yunet.py
_NOTHING = np.zeros(0, np.uint8)
_OTHER = 0.5  # share of a box: boxes that overlap less are different faces


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
        facing: how far the face is turned to the camera, 0 (too far away to be read) to 1.
    """

    box: Box
    sure: bool
    facing: float = 1.0


class FaceDetector(Protocol):
    """Detect the faces in one picture."""

    def __call__(self, picture: NDArray[np.uint8], around: Sequence[Box] = ()) -> list[Detection]:
        """Return the detections in a picture, the largest first, without overlaps.

        Args:
            picture: RGB (H, W, 3).
            around: where faces were before; only their surroundings are searched. By default, all of the picture is.
        """
        ...


def open_detector(yunet: Path | None) -> FaceDetector:
    """Return a YuNet detector, with another model of YuNet than Mien's own if its path is given.

    Raises:
        Misconfigured: the model cannot be loaded.
    """
    return YuNet(yunet or _MODEL)


class YuNet:
    """The network YuNet; its tall boxes are converted to square ones.

    It looks at pictures of a few sizes only, each with a network of its own: another size makes OpenCV set the network
    up anew, which takes about as long as running it.
    """

    _LEAST = 64  # pixels of a side: of less than 33, OpenCV 4.14 gives boxes from memory that it has not written
    _FOUND = 0.6
    _SURE = 0.8
    _SHARE = 0.95  # of YuNet's height: the side of the square
    _AROUND = 128  # pixels: the surroundings of a known face, twice its side, are shrunk to this; more shows no more
    _STEP = 32  # pixels between the sides of smaller surroundings
    _TILTS = (-30.0, 30.0)  # degrees; upright heads are found up to 20 degrees and more
    _COARSE = 160  # pixels: longest side of the pictures in which tilted heads are looked for
    _TALLER = 1.4  # height of the turned picture, so that only its corners are cut off
    _TURNED = (0.3, 0.7)  # see `_turn`: about 30 and 55 degrees, good to unreadable
    _SIZES = 8  # networks that are kept

    def __init__(self, model: Path) -> None:
        self._nets: dict[tuple[int, int], cv2.FaceDetectorYN] = {}
        try:
            self._model = np.fromfile(model, np.uint8)  # no file can be read when the process is confined
            self._net(self._AROUND, self._AROUND)
        except (OSError, cv2.error) as error:
            raise Misconfigured(f"{model} cannot be loaded as a YuNet face detector.") from error

    def __call__(self, picture: NDArray[np.uint8], around: Sequence[Box] = ()) -> list[Detection]:
        """Detect the faces in an RGB picture (H, W, 3); see `FaceDetector`.

        Tilted heads are looked for in all of the picture, and around a box where no upright face is.
        """
        height, width = picture.shape[:2]
        parts = [_surroundings(box, width, height, self._surrounding_pixels(box)) for box in around]
        whole = not 0 < sum(part.side**2 for part in parts) <= width * height
        found = []
        if whole:
            found = self._in_all_poses(picture, always=True)
        for part in [] if whole else parts:
            shown = picture[part.top : part.top + part.side, part.left : part.left + part.side]
            pixels = min(self._AROUND, part.side)
            scale = min(1.0, pixels / part.side)
            if scale < 1:
                size = [max(1, round(side * scale)) for side in shown.shape[1::-1]]
                shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            for one in self._in_all_poses(_padded(shown, pixels, pixels), always=False):
                x, y, w, h = (value / scale for value in one.box)
                found.append(replace(one, box=Box(x + part.left, y + part.top, w, h)))
        return _apart(found)

    def _surrounding_pixels(self, box: Box) -> int:
        """Return the side of a box's surroundings: twice its own, or a little more so that there are few of them."""
        twice = math.ceil(2 * box.w)
        return twice if twice > self._AROUND else max(self._LEAST, -(-twice // self._STEP) * self._STEP)

    def _in_all_poses(self, picture: NDArray[np.uint8], *, always: bool) -> list[Detection]:
        """Return the detections in a picture; tilted ones always, or only if nothing upright is there for sure."""
        seen = self._detect(picture)
        sure = [one.box for one in seen if one.sure]
        if always or not sure:
            tilted = (one for degrees in self._TILTS for one in self._detect_tilted(picture, degrees))
            seen += [one for one in tilted if all(covered(one.box, box) < _OTHER for box in sure)]
        return seen

    def _detect(self, picture: NDArray[np.uint8]) -> list[Detection]:
        picture = _padded(picture, self._LEAST, self._LEAST)
        _, rows = self._net(*picture.shape[1::-1]).detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        found = []
        for x, y, w, h, *points, score in [] if rows is None else rows.tolist():
            side = max(w, h) * self._SHARE
            box = Box(x + (w - side) / 2, y + (h - side) / 2, side, side)
            facing = float(np.interp(_turn(points), self._TURNED, (1, 0)))
            found.append(Detection(box, score >= self._SURE, facing))
        return found

    def _net(self, width: int, height: int) -> cv2.FaceDetectorYN:
        size = width, height
        if size not in self._nets:
            if len(self._nets) >= self._SIZES:
                del self._nets[next(iter(self._nets))]
            self._nets[size] = cv2.FaceDetectorYN.create("onnx", self._model, _NOTHING, size, self._FOUND, 0.3)
        return self._nets[size]

    def _detect_tilted(self, picture: NDArray[np.uint8], degrees: float) -> Iterator[Detection]:
        """Yield the sure detections in a picture that is turned about its centre, and shrunk if it is large."""
        height, width = picture.shape[:2]
        scale = min(1.0, self._COARSE / max(height, width))
        size = round(width * scale), round(min(max(width, height), self._TALLER * height) * scale)
        to = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
        to[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        turned = cv2.warpAffine(picture, to, size).astype(np.uint8, copy=False)
        back = cv2.invertAffineTransform(to)
        for one in self._detect(turned):
            if one.sure:
                side = one.box.w / scale
                x, y = back @ (one.box.x + one.box.w / 2, one.box.y + one.box.h / 2, 1)
                yield replace(one, box=Box(x - side / 2, y - side / 2, side, side))


class _Part(NamedTuple):
    """A square of a picture; what would be outside of it is left out."""

    left: int
    top: int
    side: int


def _surroundings(box: Box, width: int, height: int, side: int) -> _Part:
    """Return a square of a picture around a box's centre, moved into the picture."""
    left, top = (
        int(min(max(middle - side / 2, 0), max(most - side, 0)))
        for middle, most in ((box.x + box.w / 2, width), (box.y + box.h / 2, height))
    )
    return _Part(left, top, side)


def _padded(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture with black to its right and below it, where it is smaller than this."""
    right, below = max(0, width - picture.shape[1]), max(0, height - picture.shape[0])
    if not right and not below:
        return picture
    return cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT).astype(np.uint8, copy=False)


def _turn(points: Sequence[float]) -> float:
    """Return the horizontal offset of the nose tip from the middle of the eyes, in eye distances.

    This is half the tangent of the head's yaw (measured up to 42 degrees).

    Args:
        points: x and y of the eyes, the nose tip and the mouth corners.
    """
    x1, y1, x2, y2, nose_x, nose_y = points[:6]
    dx, dy = x2 - x1, y2 - y1
    return abs((nose_x - (x1 + x2) / 2) * dx + (nose_y - (y1 + y2) / 2) * dy) / max(dx * dx + dy * dy, 1e-6)


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
        if all(covered(candidate.box, other.box) < _OTHER for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda d: d.box.w * d.box.h, reverse=True)
