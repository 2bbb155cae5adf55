"""Decode live frames as they come, with display times in seconds of the client's clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from mien.contract.errors import BadFrame, TooManyPixels
from mien.contract.live_messages import Encoding, LiveFrame
from service.vision.exif import jpeg_orientation
from service.vision.frames import TimedFrame
from service.vision.picture import Orientation, Upright

_LAST_FRAME_S = 0.04  # assumed display time of the last frame
_CODECS = {Encoding.JPEG: "mjpeg", Encoding.PNG: "png"}


class LiveFrames:
    """Decode live frames, all of the size of the first.

    Args:
        frames: the frames, with strictly increasing times.
        max_pixels: maximum width × height of a frame.

    Attributes:
        upright: converts the frame that `read` yielded last to a picture.
        first_s: time of the first frame.
        end_s, duration_s: end of the last frame's display.
        frames: number of frames read so far.
        warnings: problems of the frames; a bad frame is an error, so there are none.
    """

    upright: Upright

    def __init__(self, frames: Iterable[LiveFrame], max_pixels: int) -> None:
        self._frames = frames
        self._max_pixels = max_pixels
        self.first_s = 0.0
        self.end_s = self.duration_s = 0.0
        self.frames = 0
        self.warnings: list[str] = []
        self._uprights: dict[Orientation, Upright] = {}

    def read(self) -> Iterator[TimedFrame]:
        """Decode each frame when it comes, and yield it when the next one ends its display.

        Raises:
            BadFrame: a frame cannot be decoded, or differs in size from the first.
            TooManyPixels: a frame is too large.
        """
        before: tuple[float, av.VideoFrame, Upright] | None = None
        for frame in self._frames:
            decoded, upright = self._decode(frame)
            if before is None:
                self.first_s = frame.time_s
            else:
                self.upright = before[2]
                yield TimedFrame(before[0], frame.time_s, before[1])
            before = frame.time_s, decoded, upright
            self.frames += 1
        if before is not None:
            self.end_s = self.duration_s = before[0] + _LAST_FRAME_S
            self.upright = before[2]
            yield TimedFrame(before[0], self.end_s, before[1])

    def _decode(self, frame: LiveFrame) -> tuple[av.VideoFrame, Upright]:
        """Decode a frame, and return what turns it as its own EXIF data says."""
        decoded = self._raw(frame) if frame.encoding is Encoding.RGB else self._decompressed(frame)
        turned = (jpeg_orientation(frame.content) if frame.encoding is Encoding.JPEG else None) or (0, False)
        width, height = (decoded.height, decoded.width) if turned[0] % 2 else (decoded.width, decoded.height)
        if self.frames == 0:
            self._size = width, height
        elif (width, height) != self._size:
            raise BadFrame(
                f"The frame has {width} × {height} pixels, the first had {self._size[0]} × "
                f"{self._size[1]}. Send frames of one size, or start another live analysis."
            )
        if turned not in self._uprights:
            self._uprights[turned] = Upright(decoded, turned=turned)
        return decoded, self._uprights[turned]

    def _raw(self, frame: LiveFrame) -> av.VideoFrame:
        if frame.width * frame.height > self._max_pixels:
            raise self._too_large()
        if not frame.content or len(frame.content) != 3 * frame.width * frame.height:
            raise BadFrame(
                f"A raw frame of {frame.width} × {frame.height} pixels must have {3 * frame.width * frame.height} "
                f"bytes and at least one pixel. This one has {len(frame.content)} bytes."
            )
        pixels = np.frombuffer(frame.content, np.uint8).reshape(frame.height, frame.width, 3)
        return av.VideoFrame.from_ndarray(pixels, format="rgb24")

    def _decompressed(self, frame: LiveFrame) -> av.VideoFrame:
        codec = cast("VideoCodecContext", av.CodecContext.create(_CODECS[frame.encoding], "r"))
        codec.options = {"max_pixels": str(self._max_pixels)}
        codec.thread_count = 1
        try:
            found = codec.decode(av.Packet(frame.content)) if frame.content else []
            found = found or codec.decode(None)
        except MemoryError:
            raise
        except av.ArgumentError as error:  # the frame exceeds `max_pixels`
            raise self._too_large() from error
        except Exception as error:  # FFmpeg has many error types
            raise _no_picture(frame) from error
        if len(found) != 1 or found[0].is_corrupt:
            raise _no_picture(frame)
        return found[0]

    def _too_large(self) -> TooManyPixels:
        return TooManyPixels(f"The frame has more pixels than the limit of {self._max_pixels} pixels. Scale it down.")


def _no_picture(frame: LiveFrame) -> BadFrame:
    return BadFrame(f"The frame at {frame.time_s:g} s cannot be decoded as a {frame.encoding.name} picture.")
