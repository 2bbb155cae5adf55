"""Frames as they come → clips of their faces. The same path as a file's, `read_clips`, without the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from mien.contract.errors import BadFrame, TooManyPixels
from mien.contract.live import Encoding, LiveFrame
from service.vision.clips import Clip, ClipSpec, FaceSeen, Progressed, VideoEnded
from service.vision.faces import FaceDetector
from service.vision.picture import Upright
from service.vision.sampling import Grid
from service.vision.scene import Scene, enough_memory
from service.vision.tracks import Tracker

_LAST_FRAME_S = 0.04  # that the last one is taken to be on display
_CODECS = {Encoding.JPEG: "mjpeg", Encoding.PNG: "png"}


def watch_clips(
    frames: Iterable[LiveFrame],
    specs: Sequence[ClipSpec],
    *,
    detector: FaceDetector,
    max_pixels: int,
    faces: int,
) -> Iterator[Clip | Progressed | FaceSeen | VideoEnded]:
    """Yield the clips of all faces in frames, each as soon as it is complete and certain.

    `Progressed` comes after each frame, with its time; a frame is looked at when the next one comes, which ends the
    time that it is on display. `VideoEnded` comes last.

    Args:
        frames: in the order of their times, which strictly rise.
        specs: what each bundle wants.
        detector: finds faces.
        max_pixels: most pixels of a frame.
        faces: most faces followed at one time, the largest first.

    Raises:
        BadFrame: a frame is no picture, or has another size than the first.
        TooManyPixels: a frame is too large.
    """
    cv2.setNumThreads(1)
    pictures = Pictures(max_pixels)
    scene: Scene | None = None
    grid = Grid([spec.interval_s for spec in specs], 0.0)
    before: _OnDisplay | None = None
    count, first_s, last_s = 0, 0.0, 0.0
    with enough_memory():
        for frame in frames:
            picture = pictures(frame)
            last_s = frame.time_s
            count += 1
            if scene is None:
                first_s = frame.time_s
                scene = Scene(specs, Tracker(detector, faces), pictures.frame_size)
                grid = Grid([spec.interval_s for spec in specs], first_s)
            if before is not None:
                yield from before.looked_at(scene, grid, until_s=frame.time_s)
            before = _OnDisplay(frame.time_s, picture)
            yield Progressed(frame.time_s)
        if scene is not None and before is not None:
            last_s += _LAST_FRAME_S
            yield from before.looked_at(scene, grid, until_s=last_s)
            yield from scene.finish(last_s)
    width, height = pictures.frame_size
    yield VideoEnded(
        duration_s=last_s - first_s,
        fps=None,
        width=width,
        height=height,
        frames=count,
        samples=scene.samples if scene else 0,
        warnings=[],
    )


@dataclass(frozen=True)
class _OnDisplay:
    time_s: float
    picture: NDArray[np.uint8]

    def looked_at(self, scene: Scene, grid: Grid, *, until_s: float) -> Iterator[Clip | FaceSeen]:
        again = False
        for instant in grid.until(until_s):
            yield from scene.look(self.picture, instant, until_s, again=again)
            again = True


class Pictures:
    """Decodes live frames, all of the size of the first, and makes them as small as a video's.

    Attributes:
        frame_size: width and height of the frames as they came, in pixels; (0, 0) before the first.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._upright: Upright | None = None
        self.frame_size = (0, 0)

    def __call__(self, frame: LiveFrame) -> NDArray[np.uint8]:
        """Return a frame's picture, RGB (H, W, 3)."""
        decoded = self._raw(frame) if frame.encoding is Encoding.RGB else self._decoded(frame)
        size = decoded.width, decoded.height
        if self._upright is None:
            self._upright = Upright(decoded)
            self.frame_size = size
        elif size != self.frame_size:
            raise BadFrame(
                f"The frame has {size[0]} × {size[1]} pixels, the first had {self.frame_size[0]} × "
                f"{self.frame_size[1]}: send frames of one size, or begin another live analysis."
            )
        return self._upright(decoded)

    def _raw(self, frame: LiveFrame) -> av.VideoFrame:
        if frame.width * frame.height > self._max_pixels:
            raise self._too_large()
        if not frame.content or len(frame.content) != 3 * frame.width * frame.height:
            raise BadFrame(
                f"A raw frame of {frame.width} × {frame.height} pixels has {3 * frame.width * frame.height} bytes and "
                f"more than none; {len(frame.content)} came."
            )
        pixels = np.frombuffer(frame.content, np.uint8).reshape(frame.height, frame.width, 3)
        return av.VideoFrame.from_ndarray(pixels, format="rgb24")

    def _decoded(self, frame: LiveFrame) -> av.VideoFrame:
        codec = cast("VideoCodecContext", av.CodecContext.create(_CODECS[frame.encoding], "r"))
        codec.options = {"max_pixels": str(self._max_pixels)}
        codec.thread_count = 1
        try:
            found = codec.decode(av.Packet(frame.content)) if frame.content else []
            found = found or codec.decode(None)
        except MemoryError:
            raise
        except av.ArgumentError as error:  # how it says that a size is over `max_pixels`
            raise self._too_large() from error
        except Exception as error:  # FFmpeg fails in many ways
            raise _no_picture(frame) from error
        if len(found) != 1 or found[0].is_corrupt:
            raise _no_picture(frame)
        return found[0]

    def _too_large(self) -> TooManyPixels:
        return TooManyPixels(f"The frame has more than the {self._max_pixels} pixels that are taken. Scale it down.")


def _no_picture(frame: LiveFrame) -> BadFrame:
    return BadFrame(f"The frame at {frame.time_s:g} s is no {frame.encoding.name} picture that can be decoded.")
