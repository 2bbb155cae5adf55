"""Detect the faces in one picture: RGB uint8 (H, W, 3).

A face's box is square, reaches from the middle of the forehead to the chin, and is centred on the face.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box, intersection_over_smaller
from service.vision.drawings import is_drawn
from service.vision.yunet import YuNet

MODEL = Path(__file__).with_name("yunet.onnx")  # made by docs/yunet.py
_OTHER = 0.5  # share of a box: boxes that overlap less are different faces


@dataclass(frozen=True)
class Detection:
    """A detected face.

    Attributes:
        box: the face's box.
        sure: confident enough, and no drawing, to start a track; other detections only continue one.
        facing: 1 if the face faces the camera, 0 if it is turned too far aside to be read.
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
    return _Detector(YuNet(yunet or MODEL))


class _Detector:
    """YuNet's faces as square boxes, with tilted heads."""

    _SURE = 0.8
    _SHARE = 0.95  # of YuNet's height: the side of the square
    _FACE = 64  # pixels: to this size a known face is shrunk; more shows no more of it
    _TILTS = (-30.0, 30.0)  # degrees; upright heads are found up to 20 degrees and more
    _COARSE = 160  # pixels: longest side of the pictures in which tilted heads are searched
    _TALLER = 1.4  # height of the turned picture, so that only its corners are cut off
    _TURNED = (0.3, 0.7)  # see `_turn`: about 30 and 55 degrees, good to unreadable

    def __init__(self, yunet: YuNet) -> None:
        self._yunet = yunet

    def __call__(self, picture: NDArray[np.uint8], around: Sequence[Box] = ()) -> list[Detection]:
        """Detect the faces in an RGB picture (H, W, 3); see `FaceDetector`.

        Tilted heads are looked for in all of the picture, and around a box where no upright face is.
        """
        height, width = picture.shape[:2]
        parts = [(_surroundings(box, width, height), min(1.0, self._FACE / box.w)) for box in around]
        area = sum((right - left) * (bottom - top) for (left, top, right, bottom), _ in parts)
        whole = not 0 < area <= width * height
        if whole:
            parts = [((0, 0, width, height), 1.0)]
        found = []
        for (left, top, right, bottom), scale in parts:
            shown = picture[top:bottom, left:right]
            seen = self._detect(shown, scale)
            sure = [one.box for one in seen if one.sure]
            if whole or not sure:
                tilted = (one for degrees in self._TILTS for one in self._detect_tilted(shown, degrees))
                seen += [one for one in tilted if all(intersection_over_smaller(one.box, box) < _OTHER for box in sure)]
            found += [replace(one, box=one.box._replace(x=one.box.x + left, y=one.box.y + top)) for one in seen]
        return _non_maximum_suppression(found)

    def _detect(self, picture: NDArray[np.uint8], scale: float = 1.0) -> list[Detection]:
        """Return the detections in a picture, which is shrunk by `scale` to look at it."""
        if scale < 1:
            shrunk = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            picture = shrunk.astype(np.uint8, copy=False)
        found = []
        for seen in self._yunet(picture):
            x, y, w, h = seen.box
            side = max(w, h) * self._SHARE
            box = Box(*(value / scale for value in (x + (w - side) / 2, y + (h - side) / 2, side, side)))
            facing = float(np.interp(_turn(seen.points), self._TURNED, (1, 0)))
            sure = seen.score >= self._SURE and not is_drawn(_part(picture, x, y, w, h))
            found.append(Detection(box, sure, facing))
        return found

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


def _part(picture: NDArray[np.uint8], x: float, y: float, w: float, h: float) -> NDArray[np.uint8]:
    """Return the part of a picture in a box."""
    return picture[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))]


def _surroundings(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Return a part of a picture, left, top, right and bottom: a box with half its side around it."""
    # The network takes multiples of 32 pixels.
    side = min(-(-2 * box.w // 32) * 32, max(width, height))
    spans = []
    for middle, most in ((box.x + box.w / 2, width), (box.y + box.h / 2, height)):
        first = int(min(max(middle - side / 2, 0), max(most - side, 0)))
        spans.append((first, int(min(first + side, most))))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def _turn(points: NDArray[np.floating]) -> float:
    """Return the horizontal offset of the nose tip from the middle of the eyes, in eye distances.

    This is half the tangent of the head's yaw (measured up to 42 degrees).

    Args:
        points: eyes, nose tip and mouth corners, (5, 2).
    """
    one, other, nose = points[:3]
    across = other - one
    return float(abs((nose - (one + other) / 2) @ across) / max(across @ across, 1e-6))


def _non_maximum_suppression(found: list[Detection]) -> list[Detection]:
    """Remove overlapping detections, keeping sure ones first and then larger ones; return the largest first."""
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda d: (d.sure, d.box.w * d.box.h), reverse=True):
        if all(intersection_over_smaller(candidate.box, other.box) < _OTHER for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda d: d.box.w * d.box.h, reverse=True)
