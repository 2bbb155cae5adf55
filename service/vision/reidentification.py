"""Remember the persons of one video, to give a person who comes back the same number.

A person comes back after an occlusion in the same shot, or across a cut to the same view. What tells is the appearance
of the face (pixels and gradients, compared with views of the same video only), its place and size, and the
surroundings. Two persons must never get one number, so that weak evidence gives a new one. Nothing is kept beyond the
video.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from service.vision.boxes import Box, iou
from service.vision.crop import cut_out
from service.vision.small_picture import SmallPicture, Vector, unit

_PIXELS, _GRADIENTS = 24, 48  # sides of the compared crops
_HOG = cv2.HOGDescriptor((_GRADIENTS, _GRADIENTS), (16, 16), (8, 8), (8, 8), 9)
_VIEWS = 8  # remembered for each person
_SAME_VIEW = 0.9  # likeness of two views that tell nothing new about each other
_REMEMBERED = 64  # persons

# Likeness that is enough, see docs/decisions/0005.
ALIKE = 0.84
_CLEARLY = 0.03  # so much less like anybody else

_SAME_COLOURS = 0.93  # correlation; measured 0.88 at most for somebody else in the same place

_HIDDEN_S = 2.5  # longest occlusion, and the detections before and after it
_REACH = 1.0, 1.5  # sides of the face that it may have gone: at once, and in each second
_GROWTH = 1.4  # ratio of sizes
_SAME_PLACE = 0.35  # intersection over union, across a cut
_SAME_SURROUNDINGS = 0.85  # correlation of thumbnails


@dataclass(frozen=True)
class View:
    """A face in one picture, and what was around it.

    Attributes:
        pixels: the face's colours, a centred unit vector.
        gradients: histograms of its gradients, a centred unit vector.
        box: its box in pixels of the picture.
        surroundings: the picture's thumbnail, a centred unit vector.
        size: width and height of the picture.
        shot: number of the shot.
        time_s: when it was.
    """

    pixels: Vector
    gradients: Vector
    box: Box
    surroundings: Vector
    size: tuple[int, int]
    shot: int
    time_s: float

    def likeness(self, other: View) -> float:
        """Return how much two faces look alike, up to 1."""
        return float(self.pixels @ other.pixels + self.gradients @ other.gradients) / 2

    def continues_as(self, other: View) -> bool:
        """Return whether the next picture's face can be the same: alike, or of the same colours, only blurred."""
        return float(self.pixels @ other.pixels) >= _SAME_COLOURS or self.likeness(other) >= ALIKE


def view(picture: SmallPicture, box: Box, *, shot: int, time_s: float) -> View:
    """Describe a face in a picture."""
    large = cut_out(picture.rgb, box, margin=0, size=_GRADIENTS)
    small = cv2.resize(large, (_PIXELS, _PIXELS), interpolation=cv2.INTER_AREA)
    height, width = picture.gray.shape
    gradients = np.asarray(_HOG.compute(large))
    return View(unit(small), unit(gradients), box, picture.surroundings, (width, height), shot, time_s)


class PersonGallery:
    """The persons that a video has shown so far."""

    def __init__(self) -> None:
        self._known: dict[int, list[View]] = {}  # the last view is the latest

    def note(self, number: int, views: Sequence[View]) -> None:
        """Remember views of a person, the oldest first."""
        known = self._known.setdefault(number, [])
        for one in views:
            if len(known) > 1 and known[-1].likeness(known[-2]) > _SAME_VIEW:
                known.pop()
            known.append(one)
            del known[:-_VIEWS]

    def drop(self, number: int, since_s: float) -> None:
        """Forget the views of a person since a time: a transition to somebody else may have begun then."""
        if number in self._known:
            known = [one for one in self._known.pop(number) if one.time_s < since_s]
            if known:
                self._known[number] = known

    def recognise(self, views: Sequence[View], present: Collection[int]) -> int | None:
        """Return the number of the person that the views of a new face show for certain, or None.

        Args:
            views: what was seen of the face.
            present: persons who are elsewhere in the picture.
        """
        likeness = {number: _most_alike(views, known) for number, known in self._known.items()}
        possible = [number for number in self.possible(views, present) if likeness[number] >= ALIKE]
        best = max(possible, key=lambda number: likeness[number], default=None)
        if best is None:
            return None
        others = (alike for number, alike in likeness.items() if number != best)
        return best if likeness[best] - max(others, default=-1.0) >= _CLEARLY else None

    def possible(self, views: Sequence[View], present: Collection[int]) -> list[int]:
        """Return the persons who can have come to the place of a new face, by its views so far."""
        # In the first view, what passes before the camera may still cover the face and its surroundings in part.
        now = (views[0], views[-1])
        away = ((number, known) for number, known in self._known.items() if number not in present)
        return [number for number, known in away if any(_can_be(known, one) for one in now)]

    def forget(self, present: Collection[int]) -> list[int]:
        """Forget the persons not seen for longest if there are too many; return their numbers."""
        away = sorted((n for n in self._known if n not in present), key=lambda n: self._known[n][-1].time_s)
        gone = away[: max(0, len(self._known) - _REMEMBERED)]
        for number in gone:
            del self._known[number]
        return gone


def _can_be(known: Sequence[View], now: View) -> bool:
    """Return whether place, size and surroundings allow that a person with these views is the face seen now."""
    last = known[-1]
    away_s = now.time_s - last.time_s
    if last.size != now.size:  # the camera was turned: places cannot be compared
        return away_s <= _HIDDEN_S
    if max(last.box.w, now.box.w) > _GROWTH * min(last.box.w, now.box.w):
        return False
    if last.shot == now.shot and away_s <= _HIDDEN_S:
        reach = last.box.w * (_REACH[0] + _REACH[1] * away_s)
        dx = now.box.x + now.box.w / 2 - last.box.x - last.box.w / 2
        dy = now.box.y + now.box.h / 2 - last.box.y - last.box.h / 2
        return float(np.hypot(dx, dy)) <= reach
    surroundings = max(float(one.surroundings @ now.surroundings) for one in known[-2:])
    return surroundings >= _SAME_SURROUNDINGS and iou(last.box, now.box) >= _SAME_PLACE


def _most_alike(some: Sequence[View], others: Sequence[View]) -> float:
    return max(one.likeness(other) for one in some for other in others)
