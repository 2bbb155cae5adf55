"""Follow the faces in successive pictures and cut their clips; the same for a file and for live frames.

Pixels are RGB uint8 (H, W, 3); boxes are (x, y, w, h), floats in pixels; times are seconds of the pictures' clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box
from service.vision.crop import cut_out
from service.vision.face_tracks import FaceSample, FaceSeen, Sightings, TrackBuffer
from service.vision.picture import FramePictures
from service.vision.quality import FINEST, clarity, rated_at
from service.vision.sampling import Instant
from service.vision.tracks import EndedTrack, TrackedFace, Tracker
from service.vision.windows import Clip, ClipSpec


class Scene:
    """Hold the faces that are being tracked, with their samples.

    Args:
        specs: the clips that each bundle needs.
        tracker: finds and follows faces.
    """

    def __init__(self, specs: Sequence[ClipSpec], tracker: Tracker) -> None:
        self._specs = specs
        self._tracker = tracker
        self._persons: dict[int, TrackBuffer] = {}
        self._sightings: dict[int, Sightings] = {}
        self._crops: dict[tuple[Box, float, int], NDArray[np.uint8]] = {}  # crops of the current picture
        self._clarity: dict[Box, float] = {}  # clarity of boxes in the current picture
        self.samples = 0
        self._pictures = 0
        self._brightness = 0.0  # sum over the pictures

    @property
    def brightness(self) -> float:
        """Mean gray level of the pictures before the first person."""
        return self._brightness / max(1, self._pictures)

    def look(
        self,
        pictures: FramePictures,
        instant: Instant,
        until_s: float,
        *,
        again: bool,
    ) -> Iterator[Clip | FaceSeen]:
        """Analyse the frame on display from `instant` to `until_s`.

        Args:
            pictures: its pictures.
            instant: when.
            until_s: end of its display.
            again: whether it is the previous frame.
        """
        self.samples += 1
        if not again:
            self._crops.clear()
            self._clarity.clear()
            if not self._tracker.persons:
                self._pictures += 1
                self._brightness += float(pictures.small[::2, ::2].mean())
        step = self._tracker.step(None if again else pictures.small, instant.time_s)
        for ended in step.ended:
            yield from self._end(ended, gone=True, end_s=instant.time_s)
        for number in step.forgotten:
            if (sightings := self._sightings.pop(number, None)) is not None:
                yield sightings.all
        for face in step.faces:
            person = self._persons.setdefault(face.key, TrackBuffer(self._specs))
            sample = self._sample(pictures, face, instant, until_s)
            yield from person.add(sample, face.number, seen=face.seen)

    def finish(self, end_s: float) -> Iterator[Clip | FaceSeen]:
        """End all tracks at the end of the video."""
        for ended in self._tracker.finish():
            yield from self._end(ended, gone=False, end_s=end_s)
        yield from (sightings.all for sightings in self._sightings.values())

    def _end(self, ended: EndedTrack, *, gone: bool, end_s: float) -> Iterator[Clip]:
        """End a track: yield its last clips, and remember it as a sighting of its person."""
        if (person := self._persons.pop(ended.key, None)) is None:
            return
        for event in person.finish(ended.number, seen=ended.seen, gone=gone, end_s=end_s):
            if isinstance(event, FaceSeen):
                self._sightings.setdefault(event.track, Sightings(event.track)).add(event)
            else:
                yield event

    def _sample(
        self,
        pictures: FramePictures,
        face: TrackedFace,
        instant: Instant,
        until_s: float,
    ) -> FaceSample:
        """Crop the face for each spec that samples this instant; the face's box is in pixels of the small picture."""
        side, whole = max(pictures.small.shape), pictures.frame_size
        at = _scaled(face.box, max(pictures.size) / side)
        in_frame = _within(_scaled(face.box, max(whole) / side), *whole)
        crops = {index: self._crop(pictures, at, self._specs[index]) for index in instant.specs}
        if at not in self._clarity:
            self._clarity[at] = _rate(pictures, face.box, at)
        return FaceSample(instant.time_s, until_s, in_frame, self._clarity[at] * face.front, crops)

    def _crop(self, pictures: FramePictures, box: Box, spec: ClipSpec) -> NDArray[np.uint8]:
        key = box, spec.margin, spec.size
        if key not in self._crops:
            self._crops[key] = pictures.cut_out(box, margin=spec.margin, size=spec.size)
        return self._crops[key]


def _rate(pictures: FramePictures, box: Box, at: Box) -> float:
    """Rate how clearly a frame shows a face; a large one is large enough in the small picture.

    Args:
        pictures: of the frame.
        box: the face's box in the small picture.
        at: its box in the large one.
    """
    if box.w >= FINEST:
        return clarity(cut_out(pictures.small, box, margin=0, size=FINEST), box, pictures.small.shape)
    return clarity(pictures.cut_out(at, margin=0, size=rated_at(at.w)), at, pictures.size[::-1])


def _scaled(box: Box, factor: float) -> Box:
    return Box(*(side * factor for side in box))


def _within(box: Box, width: int, height: int) -> Box:
    left, top = max(0.0, box.x), max(0.0, box.y)
    right, bottom = min(float(width), box.x + box.w), min(float(height), box.y + box.h)
    return Box(left, top, max(0.0, right - left), max(0.0, bottom - top))
