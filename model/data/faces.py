"""Crop the face of a video or picture with the service's code, keeping the original's time stamps.

Of several face tracks, the one with the largest sum of areas over time is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import FaceCrop
from mien.contract.errors import Misconfigured
from model.data.media import LIMITS, ClipUnreadable, read_still, reading
from model.errors import ModelError
from model.unfinished import unfinished, writing
from service.vision.clips import Clip, ClipSpec, FaceSeen, read_clips
from service.vision.crop import cut_out
from service.vision.faces import FaceDetector, open_detector
from service.vision.formats import OWN_FILES
from service.vision.frames import open_video

CROP = FaceCrop(margin=0.2)
SIZE = 224  # pixels

_FACES = 4  # maximum number of faces tracked at a time
_FASTEST_S, _SLOWEST_S = 1 / 60, 0.2  # shortest and longest interval between frames that are kept
_TICK = Fraction(1, 90_000)  # seconds
# Training clips start anywhere: frequent key frames and fast decoding (measured: a third less decoding time).
_QUALITY = {"preset": "veryfast", "tune": "fastdecode", "crf": "18", "g": "25"}


class Span(NamedTuple):
    """Start and end of a face track in seconds of the original; the crop's time 0 is the start."""

    start_s: float
    end_s: float


def crop_face(
    source: Path, target: Path, *, size: int = SIZE, crop: FaceCrop = CROP, yunet: Path | None = None
) -> Span:
    """Crop the face of a video to a video.

    Args:
        source: the video.
        target: the MP4 file to write.
        size: side of the crop in pixels.
        crop: margin and shape of the crop.
        yunet: ONNX file of another model of YuNet than Mien's own.

    Returns:
        Start and end of the face track.

    Raises:
        ClipUnreadable: the video cannot be read or shows no face.
        ModelError: the target cannot be written, or the model of YuNet cannot be loaded.
    """
    with writing(target), unfinished(target) as path:
        found = _best(source, path.parent, size, crop, yunet)
        if found is None:
            raise ClipUnreadable(f"{source} shows no face.")
        best, span = found
        best.replace(path)
    return span


def crop_still(
    source: Path, target: Path, *, size: int = SIZE, crop: FaceCrop = CROP, yunet: Path | None = None
) -> None:
    """Crop the largest face that the detector is sure of from a picture to the image file `target`; see `crop_face`.

    Raises:
        ClipUnreadable: the picture cannot be read or shows no face.
        ModelError: see `crop_face`.
    """
    picture = read_still(source)
    found = [face for face in detector_of(yunet)(picture) if face.sure]  # others start no track in videos either
    if not found:
        raise ClipUnreadable(f"{source} shows no face.")
    face = cut_out(picture, found[0].box, margin=crop.margin, size=size)
    content = cv2.imencode(target.suffix, cv2.cvtColor(face, cv2.COLOR_RGB2BGR))[1].tobytes()
    with writing(target), unfinished(target) as path:
        path.write_bytes(content)


def _best(source: Path, folder: Path, size: int, crop: FaceCrop, yunet: Path | None) -> tuple[Path, Span] | None:
    """Write each face track to a file in `folder`; return the largest track's file and span."""
    with reading(str(source)), open_video(source, LIMITS, OWN_FILES) as video:
        interval_s = min(_SLOWEST_S, max(_FASTEST_S, video.frame_s))
    spec = ClipSpec(frames=1, interval_s=interval_s, size=size, margin=crop.margin, hop_s=interval_s)
    writers: dict[int, _Writer] = {}
    best: tuple[Path, Span] | None = None
    most = 0.0
    for event in _events(source, spec, yunet):
        if isinstance(event, Clip):
            if event.track not in writers:
                writers[event.track] = _Writer(folder / f"{event.track}.mp4", size, event.start_s, interval_s)
            writers[event.track].add(event.pixels[0], event.start_s)
        elif isinstance(event, FaceSeen) and (writer := writers.pop(event.track, None)) is not None:
            writer.close()
            seen = sum(point.w * point.h for point in event.path)  # a point about every 0.1 s
            if seen > most:
                if best is not None:
                    best[0].unlink()
                best, most = (writer.path, Span(event.start_s, event.end_s)), seen
            else:
                writer.path.unlink()
    return best


def _events(source: Path, spec: ClipSpec, yunet: Path | None) -> Iterator[object]:
    """Read a video's clips and tracks; errors here are the source's, unlike those of writing."""
    with reading(str(source)):
        yield from read_clips(
            source, [spec], detector=detector_of(yunet), limits=LIMITS, faces=_FACES, formats=OWN_FILES
        )


@cache
def detector_of(yunet: Path | None) -> FaceDetector:
    """Return the process's face detector; see `open_detector`.

    Raises:
        ModelError: the model cannot be loaded.
    """
    try:
        return open_detector(yunet)
    except Misconfigured as error:
        raise ModelError(error.detail) from error


class _Writer:
    """Write H.264 video to an MP4 file."""

    def __init__(self, path: Path, size: int, start_s: float, interval_s: float) -> None:
        self.path = path
        self._start_s = start_s
        self._ticks = round(interval_s / _TICK)
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream(
            "libx264", rate=Fraction(1 / interval_s).limit_denominator(1001), options=_QUALITY
        )
        self._stream.width = self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TICK
        self._stream.codec_context.thread_count = 1

    def add(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """Encode a picture, RGB (size, size, 3)."""
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base, frame.duration = round((time_s - self._start_s) / _TICK), _TICK, self._ticks
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
