"""Videos made for tests: the astronaut of scikit-image (public domain) moved over a gradient, written by PyAV.

Pictures are RGB uint8 (H, W, 3), times are seconds. A second person is made from the same photograph, mirrored,
narrowed and in other colours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
_FACE = (175, 65, 97)  # left, top and side of the astronaut's face in the photograph
_AROUND = 0.65  # of the face's side: what is pasted with it on each side


def shared_video(name: str) -> Path:
    """Return the path of a sample video, or skip the test if it is missing."""
    path = SHARED / "videos" / name
    if not path.is_file():
        pytest.skip(f"the sample video {name} is not in {path.parent}")
    return path


def shared_case(name: str) -> Path:
    """Return the path of a file that once failed, or skip the test if it is missing."""
    path = SHARED / "cases" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in {path.parent}")
    return path


def shared_yunet() -> Path:
    """Return the path of a YuNet model, or skip the test if it is missing."""
    path = SHARED / "face_detection" / "yunet_2026may.onnx"
    if not path.is_file():
        pytest.skip(f"the YuNet model is not in {path.parent}")
    return path


@dataclass(frozen=True)
class Actor:
    """A face in a scene.

    Attributes:
        at: time → (x, y, side) of the face: its centre and its side, in shares of the frame's width, height, height.
        other: the second person instead of the astronaut.
        leaves_s: time at which it disappears.
        enters_s: time at which it appears.
    """

    at: Callable[[float], tuple[float, float, float]]
    other: bool = False
    enters_s: float = 0.0
    leaves_s: float = float("inf")


def still(x: float = 0.5, y: float = 0.45, side: float = 0.4, *, other: bool = False) -> Actor:
    """A face that does not move."""
    return Actor(lambda _: (x, y, side), other=other)


def pan(
    x: tuple[float, float],
    *,
    seconds: float,
    y: float = 0.45,
    side: tuple[float, float] = (0.4, 0.4),
    other: bool = False,
) -> Actor:
    """A face that moves, and grows or shrinks, steadily from the first value to the second."""

    def at(time: float) -> tuple[float, float, float]:
        share = min(1.0, time / seconds)
        return x[0] + share * (x[1] - x[0]), y, side[0] + share * (side[1] - side[0])

    return Actor(at, other=other)


@cache
def portrait(*, other: bool = False) -> Picture:
    """Return the square part of the photograph around the face."""
    left, top, side = _FACE
    margin = int(side * _AROUND)
    photograph = cv2.copyMakeBorder(skimage.data.astronaut(), 64, 64, 64, 64, cv2.BORDER_REPLICATE)
    cut = photograph[64 + top - margin : 64 + top + side + margin, 64 + left - margin : 64 + left + side + margin]
    if other:
        cut = cut[:, ::-1]
        cut = np.clip(cut.astype(np.float32) * (0.55, 0.6, 0.75) + 25, 0, 255).astype(np.uint8)
        height, width = cut.shape[:2]
        at = np.array([[0.9, 0, 0.05 * width], [0.06, 1.05, -0.04 * height]])
        cut = cv2.warpAffine(cut, at, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(cut)


@cache
def background(width: int, height: int, *, other: bool = False) -> Picture:
    """Return a gradient with some texture in it."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    stripes = 12 * np.sin(x * 40) * np.sin(y * 25)
    planes = [60 + 90 * x, 80 + 70 * y, 150 - 80 * x] if not other else [150 - 80 * y, 60 + 60 * x, 70 + 90 * y]
    return np.clip(np.stack([plane + stripes for plane in planes], -1), 0, 255).astype(np.uint8)


def picture(
    time: float, actors: Sequence[Actor], size: tuple[int, int] = (320, 240), *, other: bool = False
) -> Picture:
    """Paint one frame, (height, width, 3); later actors stand before earlier ones; `other` selects the other
    background."""
    width, height = size
    painted = background(width, height, other=other).copy()
    for actor in actors:
        if not actor.enters_s <= time < actor.leaves_s:
            continue
        x, y, side = actor.at(time)
        cut = portrait(other=actor.other)
        length = side * height * (1 + 2 * _AROUND)
        left, top, scale = x * width - length / 2, y * height - length / 2, length / len(cut)
        # Only the part of the frame where the face is.
        from_x, from_y = max(0, int(left) - 1), max(0, int(top) - 1)
        part = painted[from_y : max(0, int(top + length) + 2), from_x : max(0, int(left + length) + 2)]
        if not part.size:
            continue
        to = np.array([[scale, 0, left - from_x], [0, scale, top - from_y]])
        # Shrinking by warpAffine would alias, so blur first.
        blurred = cv2.GaussianBlur(cut, (0, 0), 0.4 / scale) if scale < 1 else cut
        head = cv2.warpAffine(blurred, to, part.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        soft = cv2.warpAffine(_feather(len(cut)), to, part.shape[1::-1])[..., None]
        part[:] = part + soft * (head - part.astype(np.float32))
    return painted


def turned(shown: Picture, degrees: float, centre: tuple[float, float]) -> Picture:
    """Turn a picture counterclockwise about a point."""
    to = cv2.getRotationMatrix2D(centre, degrees, 1)
    return cv2.warpAffine(shown, to, shown.shape[1::-1], borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


@cache
def _feather(side: int) -> NDArray[np.float32]:
    mask = np.zeros((side, side), np.float32)
    cv2.ellipse(mask, (side // 2, side // 2), (int(side * 0.4), int(side * 0.46)), 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), side / 30)


def scene(
    actors: Sequence[Actor],
    *,
    seconds: float,
    fps: float = 25.0,
    size: tuple[int, int] = (320, 240),
    noise: float = 0.0,
    other: bool = False,
) -> Iterator[Picture]:
    """Yield the frames of one shot.

    Args:
        actors: the faces in it.
        seconds: its length.
        fps: frames a second.
        size: width and height in pixels.
        noise: standard deviation of a camera's noise, in gray levels.
        other: whether to use the other background.
    """
    random = np.random.default_rng(7)
    for index in range(round(seconds * fps)):
        frame = picture(index / fps, actors, size, other=other)
        if noise:
            frame = np.clip(frame + random.normal(0, noise, frame.shape), 0, 255).astype(np.uint8)
        yield frame


def write_video(
    path: Path,
    pictures: Iterable[Picture],
    *,
    fps: float = 25.0,
    codec: str = "libx264",
    times: Sequence[float] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    keyframes: int = 12,
    tags: Callable[[av.VideoFrame], None] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a video and return its path; the container follows from the suffix.

    Args:
        path: the file to write.
        pictures: the frames, all of one size, both sides even.
        fps: frames a second.
        codec: FFmpeg's name of the encoder.
        times: each frame's time, for variable rates; by default at `fps`.
        rotation: quarter turns in degrees, counterclockwise, that a player has to apply (metadata only).
        mirrored: whether a player has to mirror the frame after that (metadata only).
        pixel_format: of the encoded frames.
        options: for the encoder.
        keyframes: frames from one key frame to the next.
        tags: called with each frame before it is encoded, to mark its colours.
        container_options: for the muxer.
    """
    base = Fraction(1, 90000)
    with _priority_kept(), av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = None
        for index, rgb in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = pixel_format
                stream.codec_context.thread_count = 1
                stream.codec_context.gop_size = keyframes
                if times is not None:
                    stream.codec_context.time_base = base
                fast = {"preset": "ultrafast", "crf": "18"} if codec in ("libx264", "libx265") else {}
                stream.codec_context.options = {**fast, **(options or {})}
                if rotation or mirrored:
                    stream.set_display_rotation(rotation, hflip=mirrored)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] / base), base
            if tags is not None:
                tags(frame)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    return path


@contextmanager
def _priority_kept() -> Iterator[None]:
    """Restore this thread's scheduling: SVT-AV1 raises root's to the highest real-time priority, and does not reset
    it."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def face_video(path: Path, *, seconds: float = 1.6, fps: float = 25.0, size: tuple[int, int] = (320, 240)) -> Path:
    """Write a simple video of a face: the astronaut, who moves and grows a little."""
    actor = pan((0.45, 0.55), seconds=seconds, side=(0.4, 0.45))
    return write_video(path, scene([actor], seconds=seconds, fps=fps, size=size), fps=fps)


def long_video(path: Path, *, seconds: int) -> Path:
    """Write a video of a face that moves to and fro: the same two seconds repeatedly, encoded once."""
    actor = Actor(lambda time: (0.5 + 0.05 * np.sin(np.pi * time), 0.45, 0.42))
    once = write_video(path.with_stem(f"{path.stem}-once"), scene([actor], seconds=2))
    with av.open(str(path), "w") as target:
        stream = None
        for begins_s in range(0, seconds, 2):
            with av.open(str(once)) as source:
                stream = stream or target.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is not None:
                        packet.pts += round(begins_s / packet.time_base)
                        packet.dts += round(begins_s / packet.time_base)
                        packet.stream = stream
                        target.mux(packet)
    return path


def two_faces_video(path: Path, *, seconds: float = 1.6, size: tuple[int, int] = (480, 240)) -> Path:
    """Write a video of two people side by side."""
    return write_video(path, scene([still(0.27), still(0.73, other=True)], seconds=seconds, size=size))


def faceless_video(path: Path, *, seconds: float = 1.6, fps: float = 25.0, size: tuple[int, int] = (320, 240)) -> Path:
    """Write a video without a face: the background alone."""
    return write_video(path, scene([], seconds=seconds, fps=fps, size=size), fps=fps)
