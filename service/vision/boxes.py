"""Boxes in a picture: left, top, width and height, floats in pixels."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """Left, top, width and height."""

    x: float
    y: float
    w: float
    h: float


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, in [0, 1]."""
    common = _common(a, b)
    return common / (a.w * a.h + b.w * b.h - common)


def intersection_over_smaller(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over the smaller one's area, in [0, 1]."""
    return _common(a, b) / min(a.w * a.h, b.w * b.h)


def _common(a: Box, b: Box) -> float:
    width = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    height = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    return max(0.0, width) * max(0.0, height)
