"""One video file → clips of its faces, ready for the model. Training and serving both come through here.

Pixels are RGB uint8 (H, W, 3); boxes are (x, y, w, h), floats in pixels; times are seconds of the media clock,
0 at the video's first frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from service.vision.faces import FaceDetector
from service.vision.frames import STRANGERS, Formats, Limits, VideoOpened, open_video
from service.vision.persons import FaceSeen, TimedBox
from service.vision.sampling import Grid
from service.vision.scene import Scene, enough_memory
from service.vision.tracks import Tracker
from service.vision.windows import Clip, ClipSpec

__all__ = [
    "Clip",
    "ClipSpec",
    "FaceSeen",
    "Limits",
    "Progressed",
    "TimedBox",
    "VideoEnded",
    "VideoOpened",
    "read_clips",
]

_PROGRESS_S = 0.5


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
    with enough_memory(), open_video(path, limits, formats) as video:
        yield video.opened
        scene = Scene(specs, Tracker(detector, faces), video.upright.frame_size)
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
