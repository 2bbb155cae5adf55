"""Crops of one face, one after another → clips: windows of `frames` samples, one every hop.

The windows cover the whole life of the face: the last one ends with its last sample, wherever the hop would have
put it. A life shorter than a window gives one clip, filled up by repeating its last crop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClipSpec:
    """What one bundle wants.

    Attributes:
        frames: samples in a clip (T).
        interval_s: seconds of media time between two samples.
        size: height and width of a crop in pixels.
        margin: added on each side of a face's box, as a share of its longer side.
        hop_s: seconds between the starts of two clips; rounded to the grid of samples, at least one of them.
    """

    frames: int
    interval_s: float
    size: int
    margin: float
    hop_s: float

    @property
    def hop(self) -> int:
        """Samples between the starts of two clips."""
        return max(1, round(self.hop_s / self.interval_s))


@dataclass(frozen=True)
class Clip:
    """One window of one face.

    Attributes:
        track: the person's number.
        spec: index of the spec that the clip was made for.
        start_s: time of its first sample.
        end_s: where its last sample ends: one interval later, or where the face or the video ends before that.
        frames: how many of the T are real; the others repeat the last.
        quality: how well the face can be read, 0 to 1: the mean over the real samples, see `service.vision.quality`.
        pixels: RGB uint8 (T, size, size, 3).
    """

    track: int
    spec: int
    start_s: float
    end_s: float
    frames: int
    quality: float
    pixels: NDArray[np.uint8]


class Windower:
    """Makes the clips of one face for one spec.

    A clip comes out as soon as it is known where it ends: with the sample after its last, or at the face's end.
    """

    def __init__(self, track: int, index: int, spec: ClipSpec) -> None:
        self._track = track
        self._index = index
        self._spec = spec
        self._recent: deque[tuple[float, NDArray[np.uint8], float]] = deque(maxlen=spec.frames)
        self._pushed = 0
        self._covered = 0  # samples up to the end of the last clip

    def push(self, time_s: float, crop: NDArray[np.uint8], quality: float) -> Iterator[Clip]:
        """Take the next sample, a crop (size, size, 3); yield the clip that ended with the one before, if any."""
        if self._is_due():
            yield self._clip(time_s)
        self._recent.append((time_s, crop, quality))
        self._pushed += 1

    def finish(self, end_s: float) -> Iterator[Clip]:
        """End the face at `end_s`; yield the last clip where there are samples that none covers."""
        if self._pushed > self._covered:
            yield self._clip(end_s)

    def _is_due(self) -> bool:
        beyond = self._pushed - self._spec.frames
        return beyond >= 0 and beyond % self._spec.hop == 0 and self._pushed > self._covered

    def _clip(self, end_s: float) -> Clip:
        times_s, crops, qualities = zip(*self._recent, strict=True)
        real = len(crops)
        self._covered = self._pushed
        return Clip(
            track=self._track,
            spec=self._index,
            start_s=times_s[0],
            end_s=min(times_s[-1] + self._spec.interval_s, end_s),
            frames=real,
            quality=fmean(qualities),
            # T × (size, size, 3) → (T, size, size, 3)
            pixels=np.stack([*crops, *crops[-1:] * (self._spec.frames - real)]),
        )
