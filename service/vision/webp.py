"""Read an animated WebP (its container specification, 2.7): FFmpeg has no decoder for it, OpenCV has libwebp's.

The animation becomes a MOV of JPEG pictures in memory, which FFmpeg then reads like any other video.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.errors import CannotDecode, TooManyPixels

_TICK = Fraction(1, 1000)  # seconds: durations are whole milliseconds
_CHUNK_PIXELS = 1 << 25  # of frames that are decoded at a time; OpenCV decodes all before them again
_LEAST_MS = 10  # browsers show a frame of less for longer
_PICTURES = {"qmin": "2", "qmax": "2"}


def film_of(path: Path, max_pixels: int, max_frames: int) -> BytesIO:
    """Return a MOV of an animated WebP; of more than `max_frames` frames, the first ones, and one more.

    Raises:
        CannotDecode: the file is damaged, or a still picture.
        TooManyPixels: a frame has more than `max_pixels` pixels.
    """
    with path.open("rb") as file:
        head = file.read(30)
    width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The animation's frames have {width} × {height} pixels. The limit is {max_pixels} pixels per frame. "
            "Scale it down and send it again."
        )
    film, at_ms = BytesIO(), 0
    with av.open(film, "w", format="mov") as target:
        stream = target.add_stream("mjpeg", rate=25, options=_PICTURES)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj444p"
        stream.codec_context.time_base, stream.codec_context.thread_count = _TICK, 1
        for number, (shown, lasts_ms) in enumerate(_frames(path, max(2, _CHUNK_PIXELS // (width * height)))):
            if number > max_frames:
                break
            frame = av.VideoFrame.from_ndarray(shown, format="bgr24").reformat(format="yuvj444p")
            frame.pts, frame.time_base = at_ms, _TICK
            at_ms += lasts_ms
            for packet in stream.encode(frame):
                packet.duration = lasts_ms  # one thread gives each frame's packet at once
                target.mux(packet)
    film.seek(0)
    return film


def _frames(path: Path, count: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Yield frames, BGR (H, W, 3), with their durations in milliseconds; `count` are decoded at a time."""
    start = 0
    while True:
        _, animation = cv2.imreadanimation(str(path), start=start, count=count)
        if start == 0 and len(animation.frames) < 2:
            raise CannotDecode("The WebP cannot be read as an animation. If it is a still picture, send a video.")
        for frame, lasts_ms in zip(animation.frames, animation.durations, strict=True):
            yield np.ascontiguousarray(frame[..., :3], np.uint8), max(_LEAST_MS, int(lasts_ms))
        if len(animation.frames) < count:
            return
        start += count
