"""Turn a video file or live frames into clips of their faces, ready for the model; for training and serving alike.

Pixels are RGB uint8 (H, W, 3); boxes are (x, y, w, h), floats in pixels; times are seconds. In a file, time 0 is the
start of its presentation, as a player shows it; live frames carry the client's times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
from pydantic import NonNegativeFloat

from mien.contract.live_messages import LiveFrame
from mien.contract.options import MAX_FACES
from service.vision.decode_device import DecodeDevice
from service.vision.face_tracks import FaceSeen, TimedBox
from service.vision.faces import FaceDetector
from service.vision.formats import UPLOADS, Formats
from service.vision.frames import Limits, TimedFrame, VideoOpened, open_video
from service.vision.live_frames import LiveFrames
from service.vision.out_of_memory import translate_out_of_memory
from service.vision.picture import FramePictures, Upright
from service.vision.sampling import Grid
from service.vision.scene import Scene
from service.vision.tracks import Tracker
from service.vision.video_tracks import open_track_with_faces
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
    "watch_clips",
]

_PROGRESS_S = 0.5
_DARK = 40.0  # mean gray level; of 60 rendered people, all are found at 80, 98 % at 40, 85 % at 20 and 37 % at 10


@dataclass(frozen=True)
class Progressed:
    """Seconds of the requested part that were analysed; comes at least once per second of media time."""

    done_s: NonNegativeFloat


@dataclass(frozen=True)
class VideoEnded:
    """The last event: the requested part was read.

    Attributes:
        duration_s: time at which the presentation ends, or the part of it that was read.
        fps: frames divided by the time they were on display; None for fewer than two frames.
        width: width of the first upright frame in pixels.
        height: height of the first upright frame in pixels.
        frames: number of decoded frames on display in the requested part.
        samples: number of sampled instants; a face's coverage is `FaceSeen.samples` divided by this.
        warnings: problems of the video, as sentences for users.
        track: number of the video track that was read, from 0; None if there is only one.
    """

    duration_s: float
    fps: float | None
    width: int
    height: int
    frames: int
    samples: int
    warnings: list[str]
    track: int | None = None


class FrameSource(Protocol):
    """What a source knows about its frames; complete once all of them were read."""

    upright: Upright
    first_s: float
    end_s: float
    duration_s: float
    frames: int

    @property
    def warnings(self) -> list[str]:
        """Problems of the frames, as sentences for users."""
        ...


def read_clips(
    path: Path,
    specs: Sequence[ClipSpec],
    *,
    detector: FaceDetector,
    limits: Limits,
    faces: int,
    start_s: float = 0.0,
    end_s: float | None = None,
    track: int | None = None,
    formats: Formats = UPLOADS,
    device: DecodeDevice = "cpu",
    on_passed: Callable[[], None] = lambda: None,
) -> Iterator[VideoOpened | Clip | Progressed | FaceSeen | VideoEnded]:
    """Yield the clips of all faces in a video file, each as soon as it is complete and certain.

    `VideoOpened` comes first, `VideoEnded` last; a face's `FaceSeen` comes after the last of its clips. The same file
    and arguments give the same events. Memory does not grow with the video's length.

    Args:
        path: the video file.
        specs: the clips that each bundle needs; one pass over the video gives all of them.
        detector: the face detector.
        limits: limits on the video.
        faces: maximum number of faces followed at one time, the largest first.
        start_s: start of the part to read, in seconds. The sampling grids start there, or at the first frame after it.
        end_s: end of the part to read; None reads to the end of the video.
        track: number of the video track to read, from 0; None takes the one that shows faces at the start.
        formats: accepted containers and codecs.
        device: where to decode. On a GPU, any error of its decoder is raised, whoever may be at fault.
        on_passed: see `VideoReader.read`; also called while the track is chosen, before `VideoOpened`.

    Raises:
        BadMedia: the file is not a supported video, or exceeds a limit.
        OSError: the file cannot be read.
    """
    with translate_out_of_memory(), ExitStack() as opened:
        if track is None:
            video, choice = opened.enter_context(
                open_track_with_faces(
                    path, limits, formats, detector=detector, start_s=start_s, device=device, on_passed=on_passed
                )
            )
        else:
            video, choice = opened.enter_context(open_video(path, limits, formats, track=track, device=device)), []
        yield video.opened
        tracker = Tracker(detector, faces)

        def is_sampled(from_s: float, until_s: float) -> bool:
            # Before the first frame, it is not known where the grid begins.
            return not video.frames or _grid(specs, max(start_s, video.first_s)).falls_in(from_s, until_s)

        frames = video.read(start_s, end_s, is_sampled, on_passed)
        for event in _find_clips(frames, video, specs, tracker, start_s=start_s):
            if isinstance(event, VideoEnded):
                several = len(video.tracks) > 1
                warnings = [*choice, *event.warnings]
                yield replace(event, track=video.track if several else None, warnings=warnings)
            else:
                yield event


def watch_clips(
    frames: Iterable[LiveFrame],
    specs: Sequence[ClipSpec],
    *,
    detector: FaceDetector,
    max_pixels: int,
    faces: int,
) -> Iterator[Clip | Progressed | FaceSeen | VideoEnded]:
    """Yield the clips of all faces in live frames, each as soon as it is complete and certain.

    A frame is analysed when the next one comes, which ends its time on display; `Progressed` follows each analysed
    frame. `VideoEnded` comes last.

    Args:
        frames: the frames, with strictly increasing times.
        specs: the clips that each bundle needs.
        detector: the face detector.
        max_pixels: maximum width × height of a frame.
        faces: maximum number of faces followed at one time, the largest first.

    Raises:
        BadFrame: a frame cannot be decoded, or differs in size from the first.
        TooManyPixels: a frame is too large.
    """
    with translate_out_of_memory():
        source = LiveFrames(frames, max_pixels)
        yield from _find_clips(source.read(), source, specs, Tracker(detector, faces), start_s=None)


def _find_clips(
    frames: Iterable[TimedFrame],
    source: FrameSource,
    specs: Sequence[ClipSpec],
    tracker: Tracker,
    *,
    start_s: float | None,
) -> Iterator[Clip | Progressed | FaceSeen | VideoEnded]:
    """Sample frames, follow their faces and cut clips.

    Args:
        frames: the frames of `source`, in order and without gaps.
        source: tells about the frames.
        specs: the clips that each bundle needs.
        tracker: finds and follows the faces.
        start_s: start of the requested part; None starts it at the first frame and reports progress after every frame
            instead of every half second.
    """
    cv2.setNumThreads(1)  # process-wide: pictures are small, and many such processes share a machine
    scene: Scene | None = None
    grid = _grid(specs, start_s or 0.0)
    began_s = start_s or 0.0
    done_s = 0.0
    width, height = 0, 0
    for frame in frames:
        if scene is None:
            scene = Scene(specs, tracker)
            width, height = source.upright.frame_size
            if start_s is None:
                began_s = frame.time_s
            grid = _grid(specs, max(began_s, frame.time_s))
        pictures = FramePictures(source.upright, frame.frame)
        for number, instant in enumerate(grid.on_display(frame)):
            yield from scene.look(pictures, instant, frame.until_s, again=number > 0)
            if start_s is not None and instant.time_s - began_s >= done_s + _PROGRESS_S:
                done_s = instant.time_s - began_s
                yield Progressed(done_s)
        if start_s is None:
            yield Progressed(frame.until_s - began_s)
    if scene is not None:
        yield from scene.finish(source.end_s)
    if start_s is not None:
        yield Progressed(source.end_s - began_s)
    yield VideoEnded(
        duration_s=source.duration_s,
        fps=source.frames / (source.end_s - source.first_s) if source.frames > 1 else None,
        width=width,
        height=height,
        frames=source.frames,
        samples=0 if scene is None else scene.samples,
        warnings=[*source.warnings, *_warnings(scene, tracker)],
    )


def _grid(specs: Sequence[ClipSpec], start_s: float) -> Grid:
    return Grid([spec.interval_s for spec in specs], start_s)


def _warnings(scene: Scene | None, tracker: Tracker) -> Iterator[str]:
    if scene is not None and scene.samples and not tracker.persons and scene.brightness < _DARK:
        yield (
            f"The video is very dark: {scene.brightness / 255:.0%} of full brightness. Faces in it may be hidden. "
            "Light them better, or brighten the video."
        )
    if tracker.faces_dropped:
        yield (
            f"More than {tracker.faces} {'face was' if tracker.faces == 1 else 'faces were'} seen at one time, and the "
            f"smallest were left out. To follow more, raise the option faces (up to {MAX_FACES})."
        )
