"""Track points from one small picture to the next by optical flow, and check the result.

Gray pictures are uint8 (H, W), points float32 (N, 2) as (x, y) in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box
from service.vision.crop import cut_out
from service.vision.small_picture import Gray, unit

Points = NDArray[np.float32]

GRID = 7  # points per side of a face
_INSET = 0.1  # share of the face's side left out at the border: hair and background
_FLOW: dict[str, Any] = {
    "nextPts": None,
    "winSize": (15, 15),
    "maxLevel": 3,
    "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.03),
}
_RETURN = 1.0  # pixels: maximum forward-backward error of a point
_ALIKE = 0.7  # minimum correlation of a point's neighbourhoods before and after
_ACROSS, _DOWN = np.mgrid[-4:5, -4:5][::-1].reshape(2, 1, -1).astype(np.float32)  # of a neighbourhood, (1, 81) each
_LEAST = 32  # pixels: smaller pictures have too few levels
_PLAIN = 50.0  # added to a neighbourhood's energy, so that noise on plain areas does not correlate


@dataclass(frozen=True)
class Motion:
    """A translation in pixels and a scale factor about the centre of the moving points."""

    dx: float
    dy: float
    growth: float


@dataclass(frozen=True)
class Flow:
    """Points of one picture and their positions in the next.

    Attributes:
        before: the points, (N, 2).
        after: their positions in the next picture, (N, 2).
        good: which of these are reliable, (N,).
    """

    before: Points
    after: Points
    good: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Share of the points that are reliable."""
        return np.count_nonzero(self.good) / len(self.good) if len(self.good) else 0.0

    @property
    def best_half(self) -> float:
        """For points of `grid`: the same in the best half of the face; one that is half covered has a good half."""
        rows = self.good.reshape(GRID, GRID)
        halves = (one[: GRID // 2] for one in (rows, rows[::-1], rows.T, rows.T[::-1]))
        return max(map(np.count_nonzero, halves)) / (GRID // 2 * GRID)


def grid(box: Box) -> Points:
    """Return a grid of 49 points on a face."""
    steps = np.linspace(_INSET, 1 - _INSET, GRID)
    x, y = np.meshgrid(box.x + steps * box.w, box.y + steps * box.h)
    return np.stack([x, y], -1).reshape(-1, 2).astype(np.float32)  # (7, 7, 2) → (49, 2)


def corners(gray: Gray) -> Points:
    """Return up to 80 corners that are good to track; plain pictures have none."""
    found = cv2.goodFeaturesToTrack(gray, 80, 0.01, 12)
    return np.empty((0, 2), np.float32) if found is None else found.reshape(-1, 2).astype(np.float32)


def follow(before: Gray, after: Gray, points: Points) -> tuple[Points, NDArray[np.bool_]]:
    """Track points to the next picture; return their new positions and which of them are reliable."""
    if not len(points):
        return points, np.zeros(0, bool)
    start = points.reshape(-1, 1, 2)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, **_FLOW)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, there, **_FLOW)
    moved = there.reshape(-1, 2).astype(np.float32, copy=False)
    strayed = np.linalg.norm(back.reshape(-1, 2) - points, axis=1)
    alike = _correlation(_surroundings(before, points), _surroundings(after, moved))
    return moved, (found.ravel() > 0) & (returned.ravel() > 0) & (strayed < _RETURN) & (alike > _ALIKE)


def follow_face(before: Gray, after: Gray, box: Box) -> Flow:
    """Track a grid of points on a face as far as half its side.

    Only the face's surroundings are read, which takes a fraction of the time for the whole picture.
    """
    points = grid(box)
    height, width = before.shape
    left, top = (max(0, int(corner - box.w / 2)) for corner in (box.x, box.y))
    right, bottom = min(width, int(box.x + 1.5 * box.w) + 1), min(height, int(box.y + 1.5 * box.h) + 1)
    part = np.s_[top:bottom, left:right]
    if min(before[part].shape) < _LEAST:
        return Flow(points, *follow(before, after, points))
    corner = np.array([left, top], np.float32)
    moved, good = follow(before[part], after[part], points - corner)
    return Flow(points, moved + corner, good)


def _surroundings(gray: Gray, points: Points) -> NDArray[np.float32]:
    x, y = points[:, :1] + _ACROSS, points[:, 1:] + _DOWN  # (N, 81) each
    values = cv2.remap(gray, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values - values.mean(1, keepdims=True), np.float32)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    energy = ((a * a).sum(1) + _PLAIN) * ((b * b).sum(1) + _PLAIN)
    result: NDArray[np.float32] = (a * b).sum(1) / np.sqrt(energy)
    return result


def motion(before: Points, after: Points) -> Motion:
    """Estimate motion by median flow: the median translation, and the median ratio of distances between points.

    Each point is compared with a few far from it; all pairs would take ten times as long and tell no more.
    """
    dx, dy = (_median(moved) for moved in (after - before).T)
    each = np.arange(len(before))
    others = np.concatenate([each - len(before) // part for part in (2, 3, 5)])  # negative ones count from the end
    old, new = (np.linalg.norm(np.tile(points, (3, 1)) - points[others], axis=1) for points in (before, after))
    apart = old > 1
    return Motion(dx, dy, _median(new[apart] / old[apart]) if apart.any() else 1.0)


def _median(values: NDArray[np.float32]) -> float:
    below, above = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, [below, above])  # a quarter of the time of np.median
    return float(ordered[below] + ordered[above]) / 2


def appearance(picture: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
    """Return a face's appearance as a unit vector, normalised for brightness and contrast.

    The dot product of two vectors is their correlation, in [-1, 1].
    """
    return unit(cut_out(picture, box, margin=0, size=24))
