"""Recognise where one shot ends and the next begins, and tell flashes from cuts.

Gradual transitions are recognised at each face's place: `service.vision.transitions`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.vision.boxes import Box
from service.vision.flow import Flow, appearance
from service.vision.small_picture import SmallPicture

# Measured: 20 % of the points and more survive the fastest motion that flow can follow, 14 % at most a cut.
SURVIVORS = 0.2
_ENOUGH_POINTS = 8
_SAME_LOOKS = 0.8  # correlation; measured above 0.9 from picture to picture, below 0.65 across cuts
_SAME_PICTURE = 0.9  # correlation of thumbnails; flashes stay above, cuts below
_BLANK_CHANGE = 12.0  # gray levels, for pictures without points to track
_GLARE = 0.2  # share of the picture that a flash over-exposes; measured 0.5
_GLARE_LEVEL = 250  # gray level
_FLASH_S = 0.25  # longer glare is a cut to a bright shot


def may_be_cut(before: SmallPicture, after: SmallPicture) -> bool:
    """Return whether two successive pictures differ so much that `is_cut` has to be asked."""
    return float(before.surroundings @ after.surroundings) < _SAME_PICTURE


def is_cut(whole: Flow, before: SmallPicture, after: SmallPicture, faces: Sequence[Box]) -> bool:
    """Return whether there is a cut, or a flash, between two successive pictures.

    Args:
        whole: the flow of corners from all of the first picture.
        before: the first picture.
        after: the second picture.
        faces: boxes of the first picture's faces.
    """
    if len(whole.good) < _ENOUGH_POINTS:
        return float(np.abs(before.thumbnail - after.thumbnail).mean()) > _BLANK_CHANGE
    if whole.share >= SURVIVORS:
        return False
    return may_be_cut(before, after) or not all(_looks_same(box, before, after) for box in faces)


class Flash:
    """A flash, which dazzles for a short time."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether the last picture dazzled."""
        return self._began_s is not None

    def dazzles(self, usual: SmallPicture, now: SmallPicture, time_s: float) -> bool:
        """Return whether what seems to be a cut is a flash, which has not been on for too long.

        Args:
            usual: the last picture before it.
            now: the picture at `time_s`.
            time_s: seconds of the media clock.
        """
        glare, before = (float((shown.gray >= _GLARE_LEVEL).mean()) for shown in (now, usual))
        if glare - before < _GLARE:
            return False
        if self._began_s is None:
            self._began_s = time_s
        return time_s - self._began_s < _FLASH_S

    def end(self) -> bool:
        """End the flash; return whether there was one."""
        was_on, self._began_s = self.is_on, None
        return was_on


def _looks_same(box: Box, before: SmallPicture, after: SmallPicture) -> bool:
    """Return whether two pictures look the same inside a box."""
    return float(appearance(before.rgb, box) @ appearance(after.rgb, box)) >= _SAME_LOOKS
