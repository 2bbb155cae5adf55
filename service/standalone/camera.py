"""Read a camera or a video in real time as JPEG pictures with times."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from mien.contract.errors import CannotDecode
from mien.contract.live_messages import LONGEST_GAP_S
from service.standalone.fitted import fitted
from service.vision.formats import ALL_LISTED
from service.vision.frames import Limits, open_video

_FASTEST_S = 1 / 16  # minimum time between two pictures; no model needs a higher rate
_QUIET_S = 1.0  # a video that is decoded more slowly than it plays is not thinned out: the service waits for pictures
_LONGEST_SIDE = 640  # pixels
_LEAST_STEP_S = 0.001
_STILL_S = LONGEST_GAP_S / 2  # a picture that is shown for longer is repeated: the service ends silent sessions
_QUALITY = 85
_LIMITS = Limits(max_pixels=2**27, max_duration_s=float("inf"), max_frames=2**62)

Picture = NDArray[np.uint8]
Taken = tuple[float, Callable[[], Picture]]
"""When a picture was taken, in seconds, and the picture, RGB (H, W, 3), which takes time to convert."""


def pictures(source: str) -> Iterator[tuple[float, bytes]]:
    """Yield pictures in real time, each as (time in seconds, JPEG), all of the size of the first.

    A picture that is shown for long is repeated, so that times are less than `LONGEST_GAP_S` apart.

    Args:
        source: a camera's number, or a video's path or URL.

    Raises:
        BadMedia: the camera or video cannot be opened, or gives no picture.
        OSError: the file does not exist.
    """
    began = time.monotonic()
    is_capture = source.isdigit() or "://" in source
    taken = _of_capture(source, began) if is_capture else _of_file(Path(source))
    last_s: float | None = None
    sent_s = 0.0
    jpeg = b""
    size: tuple[int, int] | None = None
    with closing(taken):
        for taken_s, convert in taken:
            now_s = time.monotonic() - began
            step_s = _FASTEST_S if now_s - sent_s < _QUIET_S else _LEAST_STEP_S
            if last_s is not None and taken_s < last_s + step_s:
                continue
            while last_s is not None and taken_s - last_s > _STILL_S:
                last_s += _STILL_S
                time.sleep(max(0.0, last_s - (time.monotonic() - began)))
                yield last_s, jpeg
            now_s = time.monotonic() - began
            picture = convert()
            last_s = taken_s
            time.sleep(max(0.0, taken_s - now_s))
            sent_s = max(now_s, taken_s)
            height, width = picture.shape[:2]
            size = size or (width, height)
            if (width, height) != size:
                picture = fitted(picture, *size)
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1].tobytes()
            yield taken_s, jpeg


def _of_file(path: Path) -> Generator[Taken]:
    with open_video(path, _LIMITS, ALL_LISTED, picture_side=_LONGEST_SIDE) as video:
        for shown in video.read(0.0, None):
            yield shown.time_s, partial(video.upright, shown.frame)


def _of_capture(source: str, began: float) -> Generator[Taken]:
    is_camera = source.isdigit()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it writes to stderr what the error says
    capture = cv2.VideoCapture(int(source)) if is_camera else cv2.VideoCapture(source)
    if not capture.isOpened():
        raise CannotDecode(
            f"The camera {source} cannot be opened. Connect it, end other programs that use it, or try another number."
            if is_camera
            else f"The video {source} cannot be opened. Check that it plays."
        )
    found = False
    try:
        while capture.grab():
            taken_s = time.monotonic() - began if is_camera else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            there, picture = capture.retrieve()
            if not there:
                break
            found = True
            yield taken_s, partial(_shrunk, picture)
        if not found:
            raise CannotDecode(
                f"{'The camera' if is_camera else 'The video'} {source} gives no picture. Check that it shows one."
            )
    finally:
        capture.release()


def _shrunk(picture: MatLike) -> Picture:
    """Return a picture of a camera, BGR, as RGB of at most `_LONGEST_SIDE`."""
    height, width = picture.shape[:2]
    scale = min(1.0, _LONGEST_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
