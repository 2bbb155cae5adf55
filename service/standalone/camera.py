"""Read a camera or a video in real time as JPEG pictures with times."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from mien.contract.errors import CannotDecode

_FASTEST_S = 1 / 16  # minimum time between two pictures; no model needs a higher rate
_QUIET_S = 1.0  # a video that is decoded more slowly than it plays is not thinned out: the service waits for pictures
_LONGEST_SIDE = 640  # pixels
_LEAST_STEP_S = 0.001
_QUALITY = 85


def pictures(source: str) -> Iterator[tuple[float, bytes]]:
    """Yield pictures in real time, each as (time in seconds, JPEG).

    Args:
        source: a camera's number, or a video's path or URL.

    Raises:
        CannotDecode: the camera or video cannot be opened, or gives no picture.
        OSError: the file does not exist.
    """
    is_camera = source.isdigit()
    if not is_camera and "://" not in source:
        with Path(source).open("rb"):
            pass  # raise OSError for a missing file
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it writes to stderr what the error says
    capture = cv2.VideoCapture(int(source)) if is_camera else cv2.VideoCapture(source)
    if not capture.isOpened():
        raise CannotDecode(
            f"The camera {source} cannot be opened. Connect it, end other programs that use it, or try another number."
            if is_camera
            else f"The video {source} cannot be opened. Check that it plays."
        )
    began = time.monotonic()
    last_s: float | None = None
    sent_s = 0.0
    try:
        while capture.grab():
            now_s = time.monotonic() - began
            taken_s = now_s if is_camera else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            step_s = _FASTEST_S if now_s - sent_s < _QUIET_S else _LEAST_STEP_S
            if last_s is not None and taken_s < last_s + step_s:
                continue
            there, picture = capture.retrieve()
            if not there:
                break
            last_s = taken_s
            time.sleep(max(0.0, taken_s - now_s))
            sent_s = max(now_s, taken_s)
            height, width = picture.shape[:2]
            scale = min(1.0, _LONGEST_SIDE / max(height, width))
            small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
            _, jpeg = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
            yield taken_s, jpeg.tobytes()
        if last_s is None:
            raise CannotDecode(
                f"{'The camera' if is_camera else 'The video'} {source} gives no picture. Check that it shows one."
            )
    finally:
        capture.release()
