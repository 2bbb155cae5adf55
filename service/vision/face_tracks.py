"""Buffer the samples of one tracked face, and produce its windows and path.

A sample becomes certain with the next detection of the face. Until then it is buffered, for one second of crops at
most; samples that no detection follows are dropped.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box
from service.vision.windows import Clip, ClipSpec, Windower

_PATH_S = 0.1  # minimum time between two points of a path


class TimedBox(NamedTuple):
    """A face's box at a time, in pixels of the upright original frame."""

    time_s: float
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class FaceSeen:
    """A person whose track has ended, or all tracks of a person who came back.

    Attributes:
        track: the person's number: 0, 1, 2 …
        start_s: time of the first sample that shows the face.
        end_s: end of the last sample that shows the face.
        samples: number of samples that show the face.
        path: the face's boxes at 5 Hz or more, clipped to the frame.
    """

    track: int
    start_s: float
    end_s: float
    samples: int
    path: list[TimedBox]


@dataclass(frozen=True)
class FaceSample:
    """A face at one instant.

    Attributes:
        time_s: time of the sample.
        until_s: end of the display of the sampled frame.
        box: the face's box in pixels of the upright original frame, clipped to it.
        quality: how well the face can be read, 0 to 1; see `service.vision.quality`.
        crops: crop (size, size, 3) by spec index, for the specs whose grid contains this instant.
    """

    time_s: float
    until_s: float
    box: Box
    quality: float
    crops: dict[int, NDArray[np.uint8]]


class Sightings:
    """All tracks of one person."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._start_s = float("inf")
        self._end_s = 0.0
        self._samples = 0
        self._path = array("d")  # as in `TrackBuffer`

    def add(self, seen: FaceSeen) -> None:
        """Add a track that ended, later than all others."""
        self._start_s = min(self._start_s, seen.start_s)
        self._end_s = seen.end_s
        self._samples += seen.samples
        for point in seen.path:
            self._path.extend(point)

    @property
    def all(self) -> FaceSeen:
        """The tracks as one; between them, the path has a gap."""
        return FaceSeen(self._number, self._start_s, self._end_s, self._samples, _points(self._path))


class TrackBuffer:
    """The samples of one track; its face is confirmed as a person when it gets a number."""

    def __init__(self, specs: Sequence[ClipSpec]) -> None:
        self._specs = specs
        self._held: list[FaceSample] = []
        self._seen = 0  # number of held samples, from the front, that are certain
        self._number: int | None = None
        self._windowers: list[Windower] = []
        self._start_s = 0.0
        self._last: FaceSample | None = None
        self._samples = 0
        self._path = array("d")  # time_s, x, y, w, h, time_s, …: an hour of them takes under 2 MB

    def add(self, sample: FaceSample, number: int | None, *, seen: bool) -> Iterator[Clip]:
        """Add the sample of the next instant; yield the clips that are complete and certain."""
        self._held.append(sample)
        if seen:
            self._seen = len(self._held)
        if number is not None:
            yield from self._release(number)

    def finish(self, number: int | None, *, seen: bool, gone: bool, end_s: float) -> Iterator[Clip | FaceSeen]:
        """End the track.

        Args:
            number: the person's number; None if the track never became a person.
            seen: whether all samples are certain.
            gone: whether the face had left at `end_s`; otherwise it stayed until then.
            end_s: the instant after the last sample, or the end of the video.
        """
        if number is None:
            return
        if seen:
            self._seen = len(self._held)
        if self._seen < len(self._held):
            gone, end_s = True, self._held[self._seen].time_s
        yield from self._release(number)
        if self._last is None:
            return
        if gone:  # no later than the last frame that showed it
            end_s = min(self._last.until_s, end_s)
        for windower in self._windowers:
            yield from windower.finish(end_s)
        if self._path[-5] < self._last.time_s:
            self._path.extend((self._last.time_s, *self._last.box))
        yield FaceSeen(number, self._start_s, end_s, self._samples, _points(self._path))

    def _release(self, number: int) -> Iterator[Clip]:
        certain, self._held, self._seen = self._held[: self._seen], self._held[self._seen :], 0
        if certain and self._last is None:
            self._windowers = [Windower(number, index, spec) for index, spec in enumerate(self._specs)]
            self._start_s = certain[0].time_s
        for sample in certain:
            for index, crop in sample.crops.items():
                yield from self._windowers[index].push(sample.time_s, crop, sample.quality, sample.box)
            if not self._path or sample.time_s - self._path[-5] >= _PATH_S:
                self._path.extend((sample.time_s, *sample.box))
            self._last = sample
            self._samples += 1


def _points(path: array[float]) -> list[TimedBox]:
    values = iter(path)
    # Rounded, because every digit of an hour's points goes through a pipe.
    return [
        TimedBox(round(time_s, 3), *(round(side, 1) for side in box))
        for time_s, *box in zip(values, values, values, values, values, strict=True)
    ]
