"""Group the crops of one face into clips: windows of `frames` samples, one per hop.

The windows cover the whole track: the last one ends with the last sample, wherever the hop would have put it. A track
shorter than a window gives one clip, padded by repeating its last crop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from service.vision.boxes import Box


@dataclass(frozen=True)
class ClipSpec:
    """The clips that one bundle needs.

    Attributes:
        frames: samples in a clip (T).
        interval_s: seconds of media time between two samples.
        size: height and width of a crop in pixels.
        margin: added on each side of a face's box, as a share of its longer side.
        hop_s: seconds between the starts of two clips; rounded to whole samples, at least one.
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
        spec: index of the clip's spec.
        start_s: time of its first sample.
        end_s: end of its last sample: one interval later, or the end of the face or video if that is earlier.
        frames: number of real samples among the T; the others repeat the last one.
        quality: how well the face can be read, 0 to 1: mean over the real samples; see `service.vision.quality`.
        box: the face's box at its last sample, (x, y, w, h) in pixels of the upright frame.
        pixels: RGB uint8 (T, size, size, 3).
    """

    track: int
    spec: int
    start_s: float
    end_s: float
    frames: int
    quality: float
    box: Box
    pixels: NDArray[np.uint8]


class Windower:
    """Make the clips of one face for one spec.

    A clip is yielded once its end is known: with the sample after its last, or at the end of the face.
    """

    def __init__(self, track: int, index: int, spec: ClipSpec) -> None:
        self._track = track
        self._index = index
        self._spec = spec
        self._recent: deque[tuple[float, NDArray[np.uint8], float, Box]] = deque(maxlen=spec.frames)
        self._pushed = 0
        self._covered = 0  # number of samples up to the end of the last clip

    def push(self, time_s: float, crop: NDArray[np.uint8], quality: float, box: Box) -> Iterator[Clip]:
        """Add a sample, its crop (size, size, 3); yield the clip that ended with the previous sample, if any."""
        if self._is_due():
            yield self._clip(time_s)
        self._recent.append((time_s, crop, quality, box))
        self._pushed += 1

    def finish(self, end_s: float) -> Iterator[Clip]:
        """End the face at `end_s`; yield a last clip if some samples are in no clip yet."""
        if self._pushed > self._covered:
            yield self._clip(end_s)

    def _is_due(self) -> bool:
        beyond = self._pushed - self._spec.frames
        return beyond >= 0 and beyond % self._spec.hop == 0 and self._pushed > self._covered

    def _clip(self, end_s: float) -> Clip:
        times_s, crops, qualities, boxes = zip(*self._recent, strict=True)
        real = len(crops)
        self._covered = self._pushed
        return Clip(
            track=self._track,
            spec=self._index,
            start_s=times_s[0],
            end_s=min(times_s[-1] + self._spec.interval_s, end_s),
            frames=real,
            quality=fmean(qualities),
            box=boxes[-1],
            # T × (size, size, 3) → (T, size, size, 3)
            pixels=np.stack([*crops, *crops[-1:] * (self._spec.frames - real)]),
        )
