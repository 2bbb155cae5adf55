"""Keep a few small pictures of each face, for players that cannot show the video itself."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.results import FacePicture
from service.vision.clips import Clip

_SIDE = 96  # pixels
_MOST = 240  # pictures of an analysis: with some 3 kB each, they are small beside a long result
_EVERY_S = 1.0


class FacePictures:
    """Collect pictures, one of each face every second, or less often if there would be too many."""

    def __init__(self) -> None:
        self._kept: dict[int, list[FacePicture]] = {}
        self._every_s = _EVERY_S

    def add(self, clip: Clip) -> None:
        """Take the picture in the middle of a clip, if it is time for one."""
        if clip.spec or (clip.track not in self._kept and len(self._kept) == _MOST):
            return
        kept = self._kept.setdefault(clip.track, [])
        time_s = round((clip.start_s + clip.end_s) / 2, 3)
        if kept and time_s - kept[-1].time_s < self._every_s:
            return
        jpeg = _jpeg(clip.pixels[clip.frames // 2])
        kept.append(FacePicture(time_s=time_s, jpeg=base64.b64encode(jpeg).decode()))
        while sum(map(len, self._kept.values())) > _MOST:
            self._thin()

    def of(self, track: int) -> list[FacePicture]:
        """Return the pictures of a face."""
        return self._kept.get(track, [])

    def _thin(self) -> None:
        self._every_s *= 2
        for track, pictures in self._kept.items():
            kept = pictures[:1]
            for picture in pictures[1:]:
                if picture.time_s - kept[-1].time_s >= self._every_s:
                    kept.append(picture)
            self._kept[track] = kept


def _jpeg(crop: NDArray[np.uint8]) -> bytes:
    small = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 75])[1].tobytes()
