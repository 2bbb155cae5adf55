"""One video file → clips of its faces, ready for the model. Training and serving both come through here.

Pixels are RGB uint8 (H, W, 3); boxes are (x, y, w, h), floats in pixels; times are seconds of the media clock,
0 at the video's first frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from service.contract.errors import DecodeTooCostly
from service.vision.crop import cut_out
from service.vision.decode import STRANGERS, Formats, Limits, VideoOpened, open_video
from service.vision.faces import Box, FaceDetector
from service.vision.persons import FaceSeen, PathPoint, Person, Sample
from service.vision.picture import SMALL_SIDE, shrink
from service.vision.sampling import Grid, Instant
from service.vision.tracks import Tracker
from service.vision.windows import Clip, ClipSpec

__all__ = [
    "Clip",
    "ClipSpec",
    "FaceSeen",
    "Limits",
    "PathPoint",
    "Progressed",
    "VideoEnded",
    "VideoOpened",
    "read_clips",
]

_PROGRESS_S = 0.5
_OUT_OF_MEMORY = -4  # OpenCV's code
_COSTLY = "Analysing the video needs more memory than it may use. Scale it down and send it again."


@dataclass(frozen=True)
class Progressed:
    """Seconds of the asked-for part that were analysed; comes at least once a second of media time."""

    done_s: float


@dataclass(frozen=True)
class VideoEnded:
    """The last event: the asked-for part was read.

    Attributes:
        duration_s: media time at which the last frame that was read ends.
        fps: frames divided by the time they were on display; None for a single frame.
        width: pixels of the upright frame.
        height: pixels of the upright frame.
        frames: frames on display in the asked-for part, all of them decoded.
        samples: instants at which the frame on display was looked at; a person's coverage is
            `FaceSeen.samples` divided by this.
        warnings: what was wrong with the video, in sentences.
    """

    duration_s: float
    fps: float | None
    width: int
    height: int
    frames: int
    samples: int
    warnings: list[str]


def read_clips(
    path: Path,
    specs: Sequence[ClipSpec],
    *,
    detector: FaceDetector,
    limits: Limits,
    faces: int,
    start_s: float = 0.0,
    end_s: float | None = None,
    formats: Formats = STRANGERS,
) -> Iterator[VideoOpened | Clip | Progressed | FaceSeen | VideoEnded]:
    """Yield the clips of all faces in a video, each as soon as it is complete and certain.

    `VideoOpened` comes first, `VideoEnded` last; a person's `FaceSeen` comes after the last of its clips. The same
    file and arguments give the same events. Memory does not grow with the video's length.

    Args:
        path: the file.
        specs: what each bundle wants; all are cut from one pass over the video.
        detector: finds faces.
        limits: what the video may cost.
        faces: most faces followed at one time, the largest first.
        start_s: where to begin, in seconds; also the first sample of each spec's grid.
        end_s: where to stop; None reads to the end.
        formats: which containers and codecs are taken.

    Raises:
        BadMedia: the file is no video that can be analysed, or is over a limit.
        OSError: the file cannot be read at all.
    """
    cv2.setNumThreads(1)  # for the whole process: the pictures are small, and many such processes share a machine
    with _enough_memory(), open_video(path, limits, formats) as video:
        yield video.opened
        scene = _Scene(specs, Tracker(detector, faces), video.upright.frame_size)
        grid = Grid([spec.interval_s for spec in specs], start_s)
        done_s = 0.0
        picture = None
        for shown, instant, again in grid.looks(video.read(start_s, end_s)):
            if not again:
                picture = None  # makes room for the next
            if picture is None:
                picture = video.upright(shown.frame)
            yield from scene.look(picture, instant, shown.until_s, again=again)
            if instant.time_s - start_s >= done_s + _PROGRESS_S:
                done_s = instant.time_s - start_s
                yield Progressed(done_s)
        yield from scene.finish(video.end_s)
        yield Progressed(video.end_s - start_s)
        yield VideoEnded(
            duration_s=video.end_s,
            fps=video.frames / (video.end_s - video.first_s) if video.frames > 1 else None,
            width=video.opened.width,
            height=video.opened.height,
            frames=video.frames,
            samples=scene.samples,
            warnings=video.warnings,
        )


@contextmanager
def _enough_memory() -> Iterator[None]:
    """Say of a video for which there is not that it costs too much."""
    try:
        yield
    except MemoryError as error:
        raise DecodeTooCostly(_COSTLY) from error
    except cv2.error as error:
        if error.code == _OUT_OF_MEMORY:
            raise DecodeTooCostly(_COSTLY) from error
        raise


class _Scene:
    """The faces that are followed at the moment, and what is kept of them."""

    def __init__(self, specs: Sequence[ClipSpec], tracker: Tracker, frame_size: tuple[int, int]) -> None:
        self._specs = specs
        self._tracker = tracker
        self._frame_size = frame_size
        self._persons: dict[int, Person] = {}
        self._cut: dict[tuple[Box, float, int], NDArray[np.uint8]] = {}  # from the picture on display
        self.samples = 0

    def look(
        self, picture: NDArray[np.uint8], instant: Instant, until_s: float, *, again: bool
    ) -> Iterator[Clip | FaceSeen]:
        """Analyse the picture (H, W, 3) on display at `instant` and up to `until_s`; or the last one, again."""
        self.samples += 1
        if not again:
            self._cut.clear()
        step = self._tracker.step(None if again else shrink(picture), instant.time_s)
        for ended in step.ended:
            if (person := self._persons.pop(ended.key, None)) is not None:
                yield from person.finish(ended.number, seen=ended.seen, gone=True, end_s=instant.time_s)
        for face in step.faces:
            person = self._persons.setdefault(face.key, Person(self._specs))
            yield from person.add(self._sample(picture, face.box, instant, until_s), face.number, seen=face.seen)

    def finish(self, end_s: float) -> Iterator[Clip | FaceSeen]:
        """End all faces with the video."""
        for ended in self._tracker.finish():
            if (person := self._persons.pop(ended.key, None)) is not None:
                yield from person.finish(ended.number, seen=ended.seen, gone=False, end_s=end_s)

    def _sample(self, picture: NDArray[np.uint8], box: Box, instant: Instant, until_s: float) -> Sample:
        """Cut the face out for each spec that wants this instant; `box` is in pixels of the small picture."""
        longest = max(picture.shape)
        small = min(longest, SMALL_SIDE)
        at = _scaled(box, longest / small)
        in_frame = _within(_scaled(box, max(self._frame_size) / small), *self._frame_size)
        crops = {index: self._crop(picture, at, self._specs[index]) for index in instant.specs}
        return Sample(instant.time_s, until_s, in_frame, crops)

    def _crop(self, picture: NDArray[np.uint8], box: Box, spec: ClipSpec) -> NDArray[np.uint8]:
        key = box, spec.margin, spec.size
        if key not in self._cut:
            self._cut[key] = cut_out(picture, box, margin=spec.margin, size=spec.size)
        return self._cut[key]


def _scaled(box: Box, factor: float) -> Box:
    return Box(*(side * factor for side in box))


def _within(box: Box, width: int, height: int) -> Box:
    left, top = max(0.0, box.x), max(0.0, box.y)
    right, bottom = min(float(width), box.x + box.w), min(float(height), box.y + box.h)
    return Box(left, top, max(0.0, right - left), max(0.0, bottom - top))
