"""Sample a model's input from an open clip: uint8 (T, size, size, 3), at times in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.errors import NoFrames
from model.data.media import Media, Picture, sample
from model.data.prepared import Region
from service.vision.sampling import SAME_S


@dataclass(frozen=True)
class Sampling:
    """Settings of sampling.

    Attributes:
        frames: pictures in a clip (T).
        interval_s: seconds between two of them.
        size: height and width in pixels.
        region: the part of each picture to use; None for all of it.
        fit: see `Prepared`.
    """

    frames: int
    interval_s: float
    size: int
    region: Region | None
    fit: Literal["middle", "squeeze"] = "middle"

    def start_s(self, duration_s: float, share: float) -> float:
        """Return a clip's start: with share 0 it begins with the video, with share 1 it ends with it if it can."""
        return share * max(0.0, duration_s - self.frames * self.interval_s)

    def view_start_s(self, duration_s: float, share: float) -> float:
        """Return a view's start: share 0 is the clip's start, with share 1 the last frame is the last one sampled."""
        samples = math.ceil((duration_s - SAME_S) / self.interval_s)
        return share * max(0, samples - self.frames) * self.interval_s

    def take(
        self,
        opened: Callable[[], AbstractContextManager[Media]],
        start: Callable[[float], float],
        end_s: float = math.inf,
    ) -> Picture:
        """Return a clip, (T, size, size, 3).

        Args:
            opened: opens the clip; it is called again if the clip is shorter than declared.
            start: duration in seconds → start in seconds.
            end_s: end of the clip if the media continues; the last frame is repeated as often as frames are missing.

        Raises:
            ClipUnreadable: the clip cannot be read.
        """
        with opened() as media:
            if media.duration_s is not None:
                try:
                    return self._pixels(media, start(media.duration_s), end_s)
                except NoFrames:  # the start was beyond the real end
                    pass
        with opened() as media:
            duration_s = max((frame.until_s for frame in media.read(0.0)), default=0.0)
        with opened() as media:
            return self._pixels(media, start(duration_s), end_s)

    def _pixels(self, media: Media, start_s: float, end_s: float) -> NDArray[np.uint8]:
        before_end = max(1.0, (end_s - start_s - SAME_S) / self.interval_s)
        frames = math.ceil(min(self.frames, before_end))
        pictures = sample(media, start_s, frames=frames, interval_s=self.interval_s)
        pictures = [*pictures, *pictures[-1:] * (self.frames - frames)]
        done = {id(picture): self.fitted(picture) for picture in pictures}  # repeated ones only once
        return np.stack([done[id(picture)] for picture in pictures])

    def fitted(self, picture: Picture) -> Picture:
        """Return the used part of the picture as a square of the clip's size."""
        if self.region is not None:
            picture = self.region.of(picture)
        height, width = picture.shape[:2]
        side = min(height, width)
        if self.fit == "middle":
            top, left = (height - side) // 2, (width - side) // 2
            picture = picture[top : top + side, left : left + side]
        if picture.shape[:2] == (self.size, self.size):
            return picture
        how = cv2.INTER_AREA if side > self.size else cv2.INTER_LINEAR
        return cv2.resize(picture, (self.size, self.size), interpolation=how).astype(np.uint8, copy=False)
