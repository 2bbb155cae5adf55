"""Read clips from video files, frames in a folder or in memory, and stills.

All use `service.vision.sampling`, as the service does, so that a clip does not depend on how it is stored.
Pictures are RGB uint8 (H, W, 3); times are seconds, 0 at the first frame.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.errors import BadMedia, CannotDecode, NoFrames
from model.errors import ModelError
from service.vision.formats import OWN_FILES
from service.vision.frames import Limits, VideoReader, open_video
from service.vision.sampling import Grid

Picture = NDArray[np.uint8]

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
ARRAYS = ".npz"
LIMITS = Limits(max_pixels=2**27, max_duration_s=float("inf"), max_frames=2**62)


class ClipUnreadable(ModelError):
    """A clip cannot be read; says which and why."""


@dataclass(frozen=True)
class Frame:
    """A frame, on display in [time_s, until_s); `picture` decodes it."""

    time_s: float
    until_s: float
    picture: Callable[[], Picture]


class Media(Protocol):
    """An open clip."""

    @property
    def duration_s(self) -> float | None:
        """Its duration, if that is known without reading it."""
        ...

    def read(self, start_s: float, /) -> Iterator[Frame]:
        """Yield the frames from the one on display at `start_s` on, or an earlier one, without a gap; only once."""
        ...


@contextmanager
def open_media(path: Path, fps: float | None) -> Iterator[Media]:
    """Open a video file, a folder of frames that come `fps` times a second, or a still (`read_still`).

    Raises:
        ClipUnreadable: it cannot be read; raised also while it is read.
    """
    with reading(str(path)):
        if fps is not None:
            yield FrameSequence([_file_loader(file) for file in frame_files(path)], fps)
        elif is_still(path):
            yield FrameSequence([lambda: _still(path)], 1.0)
        else:
            with open_video(path, LIMITS, OWN_FILES) as video:
                yield VideoFile(video)


def is_still(path: Path) -> bool:
    """Return whether a row's media is one picture: an image file, or a picture of an array file."""
    return path.suffix.lower() in IMAGES or path.parent.suffix == ARRAYS


def read_still(path: Path) -> Picture:
    """Read one picture: an image file, or `FILE.npz/N`, picture N of the file's `images` or `jpegs` (`arrays_in`).

    Raises:
        ClipUnreadable: it cannot be read.
    """
    with reading(str(path)):
        return _still(path)


@cache
def arrays_in(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of an .npz file; they are kept in memory.

    Of pictures, `images` (N, H, W) or (N, H, W, 3) has them as they are, RGB or grey; or `jpegs` (bytes,) has them as
    files, of which picture N is jpegs[offsets[N] : offsets[N + 1]].

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} cannot be read as a file of arrays: {error}.") from error


@contextmanager
def open_held(name: str, files: Mapping[str, bytes], fps: float | None) -> Iterator[Media]:
    """Open files in memory: one video, or frames in the order of their names.

    Raises:
        ClipUnreadable: see `open_media`.
    """
    with reading(name):
        if fps is not None:
            yield FrameSequence([_bytes_loader(key, files[key]) for key in sorted(files, key=in_order)], fps)
        else:
            ((kind, content),) = files.items()
            if f".{kind}" in IMAGES:  # in a shard, the single file of a clip is named by its suffix
                yield FrameSequence([_bytes_loader(kind, content)], 1.0)
                return
            with tempfile.NamedTemporaryFile(prefix="mien-") as file:  # FFmpeg needs a file
                file.write(content)
                file.flush()
                with open_video(Path(file.name), LIMITS, OWN_FILES) as video:
                    yield VideoFile(video)


def sample(media: Media, start_s: float, *, frames: int, interval_s: float) -> list[Picture]:
    """Return the pictures on display at start_s + k·interval_s; if the clip ends earlier, the last is repeated."""
    pictures: list[Picture] = []
    last: Frame | None = None
    for frame, instant, _ in Grid([interval_s], start_s).sampled(media.read(start_s)):
        if not instant.specs:  # an instant of the tracker's
            continue
        pictures.append(pictures[-1] if frame is last else frame.picture())
        last = frame
        if len(pictures) == frames:
            return pictures
    if not pictures:
        raise NoFrames(f"There is no frame from {start_s:g} s on.")
    return pictures + pictures[-1:] * (frames - len(pictures))


def frame_files(folder: Path) -> Sequence[Path]:
    """Return the pictures in a folder; numbers in names are compared by value, with or without leading zeros."""
    return sorted((p for p in folder.iterdir() if p.suffix.lower() in IMAGES), key=lambda p: in_order(p.name))


def in_order(name: str) -> tuple[tuple[str, int], ...]:
    """Return a sort key that orders numbers in names by value."""
    return tuple((text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name))


class VideoFile:
    """A video file, open."""

    def __init__(self, video: VideoReader) -> None:
        self._video = video
        self.duration_s = video.opened.total_s

    def read(self, start_s: float) -> Iterator[Frame]:
        """Yield the frames from the one on display at `start_s` on."""
        upright = self._video.upright
        for shown in self._video.read(start_s, None):
            yield Frame(shown.time_s, shown.until_s, lambda frame=shown.frame: upright(frame))  # type: ignore[misc]


class FrameSequence:
    """Pictures, `fps` of them a second."""

    def __init__(self, loaders: Sequence[Callable[[], Picture]], fps: float) -> None:
        if not loaders:
            raise NoFrames("There is no picture in it.")
        self._loaders = loaders
        self._fps = fps
        self.duration_s = len(loaders) / fps

    def read(self, _start_s: float) -> Iterator[Frame]:
        """Yield all frames; those that are not used are not decoded."""
        for index, loader in enumerate(self._loaders):
            yield Frame(index / self._fps, (index + 1) / self._fps, loader)


def _still(path: Path) -> Picture:
    if path.parent.suffix != ARRAYS:
        return _decoded(path.name, path.read_bytes())
    arrays, number = arrays_in(path.parent), int(path.name)
    if "jpegs" in arrays:
        first, end = arrays["offsets"][number : number + 2]
        return _decoded(path.name, arrays["jpegs"][first:end].tobytes())
    picture: Picture = arrays["images"][number]
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


def _file_loader(path: Path) -> Callable[[], Picture]:
    return lambda: _decoded(path.name, path.read_bytes())


def _bytes_loader(name: str, content: bytes) -> Callable[[], Picture]:
    return lambda: _decoded(name, content)


def _decoded(name: str, content: bytes) -> Picture:
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB) if content else None
    except cv2.error as error:  # raised for sizes beyond OpenCV's limits
        raise CannotDecode(f"Its frame {name} is too large or damaged ({error.err}).") from error
    if picture is None:
        raise CannotDecode(f"Its frame {name} is no picture.")
    return picture.astype(np.uint8, copy=False)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Translate errors of reading a clip into ClipUnreadable with the clip's name."""
    try:
        yield
    except BadMedia as error:
        raise ClipUnreadable(f"{name} cannot be read: {error.detail}") from error
    except OSError as error:
        raise ClipUnreadable(f"{name} cannot be read: {error.strerror or error}.") from error
