"""One video file → its frames, each with the time it is on display, in seconds of the media clock.

What is opened is narrow on purpose: containers and codecs from a short list, no playlist, no image, no
network, nothing that names another file. Durations that a file declares are never believed; decoded time is
counted. Every way in which FFmpeg can fail ends as one of `mien.contract.errors.BadMedia`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.stream

from mien.contract.errors import (
    BadMedia,
    CannotDecode,
    NoFrames,
    NoVideoStream,
    TooLong,
    TooManyPixels,
    TruncatedVideo,
    UnsupportedCodec,
)
from service.vision.clock import Clock
from service.vision.picture import Upright


@dataclass(frozen=True)
class Formats:
    """What is opened at all.

    Attributes:
        containers: by FFmpeg's names, with commas between.
        codecs: decoders by FFmpeg's names.
        named: the containers as people call them.
    """

    containers: str
    codecs: frozenset[str]
    named: str


# Each decoder is one more parser that strangers' bytes reach, so each has a reason.
STRANGERS = Formats(
    containers="mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    codecs=frozenset(
        {
            "h264",  # nearly everything
            "hevc",  # phones
            "vp8",  # browsers' recorders
            "libvpx",
            "vp9",
            "libvpx-vp9",
            "av1",  # browsers, new phones
            "libdav1d",
            "libaom-av1",
            "mpeg4",  # older cameras, DivX and Xvid in AVI
            "mjpeg",  # cameras, webcams
            "h263",  # 3GP from older phones
            "mpeg1video",  # archives
            "mpeg2video",  # camcorders, DVDs
            "prores",  # editing
            "dnxhd",
        }
    ),
    named="MP4, MOV, MKV, WebM or AVI",
)

# For files that the caller has reason to trust: what older datasets come in, too.
OWN_FILES = Formats(
    containers=STRANGERS.containers + ",flv",
    codecs=STRANGERS.codecs | {"flv"},  # FFmpeg's name for the decoder of FLV1
    named="MP4, MOV, MKV, WebM, AVI or FLV",
)

_WORTH_A_SEEK_S = 3.0
_UNKNOWN_FRAME_S = 0.04
_THREADS = 2  # each holds frames of its own and address space
_ATTACHED = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails


@dataclass(frozen=True)
class Limits:
    """What one video may cost.

    Attributes:
        max_pixels: width × height of a frame.
        max_duration_s: seconds of media time in the part that is read.
        max_frames: decoded frames.
    """

    max_pixels: int
    max_duration_s: float
    max_frames: int


@dataclass(frozen=True)
class VideoOpened:
    """The file is a video that can be decoded; its first frame was.

    Attributes:
        width: pixels of the upright frame.
        height: pixels of the upright frame.
        total_s: the duration as the container declares it, which may be wrong; None where it does not.
    """

    width: int
    height: int
    total_s: float | None


@dataclass(frozen=True)
class TimedFrame:
    """A frame and the time it is on display, [time_s, until_s)."""

    time_s: float
    until_s: float
    frame: av.VideoFrame


@contextmanager
def open_video(path: Path, limits: Limits, formats: Formats = STRANGERS) -> Iterator[VideoReader]:
    """Open a file and decode its first frame.

    Raises:
        BadMedia: the file is no video that can be analysed, or it is over a limit.
        MemoryError: there is not enough memory to decode it.
        OSError: the file cannot be read at all.
    """
    if path.stat().st_size == 0:
        raise CannotDecode("The file is empty. Send it again.")
    narrow = {
        "format_whitelist": formats.containers,
        "protocol_whitelist": "file",
        "codec_whitelist": ",".join(sorted(formats.codecs)),  # for the probe, which decodes on its own
    }
    try:
        container = av.open(str(path.absolute()), options=narrow, metadata_errors="replace")
    except MemoryError:
        raise
    except Exception as error:
        raise CannotDecode(f"The file cannot be read as {formats.named}. " + _RESEND) from error
    with container, closing(VideoReader(container, limits, formats)) as video:
        yield video


class VideoReader:
    """An open video, read once from front to back."""

    def __init__(self, container: av.container.InputContainer, limits: Limits, formats: Formats) -> None:
        self._container = container
        self._limits = limits
        self._stream = _moving_picture(container, formats)
        self._damaged = 0
        self._broke_off = False
        self._check_pixels(self._stream.codec_context.width, self._stream.codec_context.height)
        self._stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        self._stream.codec_context.thread_count = _THREADS
        self._stream.codec_context.thread_type = "AUTO"
        self._decoded = self._decode()
        try:
            first = next(self._decoded, None)
        except BaseException:
            self.close()
            raise
        if first is None:
            raise self._nothing()
        self._first: list[av.VideoFrame] = [first]
        self._origin_s = _stamp(first) or 0.0
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.frame_s = 1 / float(rate) if rate else _UNKNOWN_FRAME_S
        self.upright = Upright(first)
        self.frames = 0
        self.first_s = 0.0
        self.end_s = 0.0
        self.opened = VideoOpened(*self.upright.frame_size, total_s=_declared(container, self._stream))

    def close(self) -> None:
        """Let go of the decoder and its threads now, not when the garbage is collected.

        A process that is forked before that would collect it, too, and wait for ever for threads that it does not have.
        """
        self._decoded.close()

    @property
    def warnings(self) -> list[str]:
        """What was wrong with the part that was read, in sentences."""
        found = []
        if self._damaged:
            pieces = "1 piece" if self._damaged == 1 else f"{self._damaged} pieces"
            found.append(f"The video is damaged: {pieces} of it could not be decoded well; the rest was analysed.")
        if self._broke_off:
            found.append(f"The file could not be read beyond {self.end_s:.1f} s; what came before was analysed.")
        return found

    def read(self, start_s: float, end_s: float | None) -> Iterator[TimedFrame]:
        """Yield the frames on display in [start_s, end_s), in order; times strictly increase and leave no gap.

        Raises:
            BadMedia: as `open_video`; `TruncatedVideo` only at the end, once all that is there was yielded.
        """
        pending: tuple[float, av.VideoFrame] | None = None
        for time_s, frame in self._timed(start_s):
            self._check_pixels(frame.width, frame.height)
            if pending is not None and time_s > start_s:
                yield self._show(pending, time_s, start_s, end_s)
            if end_s is not None and time_s >= end_s:
                return
            pending = time_s, frame
        if pending is None:
            raise self._nothing()
        time_s, frame = pending
        last_s = time_s + (_duration(frame) or self.frame_s)
        if last_s > start_s:
            yield self._show(pending, last_s, start_s, end_s)
        self._check_whole(last_s)
        if not self.frames:
            raise NoFrames(f"The video ends after {last_s:.1f} s and has no frame from {start_s:g} s on.")

    def _show(
        self, pending: tuple[float, av.VideoFrame], until_s: float, start_s: float, end_s: float | None
    ) -> TimedFrame:
        time_s, frame = pending
        if end_s is not None:
            until_s = min(until_s, end_s)
        self.frames += 1
        if until_s - start_s > self._limits.max_duration_s:
            raise TooLong(
                f"The video is longer than the {self._limits.max_duration_s:g} s that are analysed at most. "
                "Cut it, or choose a part with start_s and end_s."
            )
        if self.frames > self._limits.max_frames:
            raise TooLong(
                f"The video has more than the {self._limits.max_frames} frames that are analysed at most. "
                "Cut it, choose a part with start_s and end_s, or lower its frame rate."
            )
        if self.frames == 1:
            self.first_s = time_s
        self.end_s = until_s
        return TimedFrame(time_s, until_s, frame)

    def _timed(self, start_s: float) -> Iterator[tuple[float, av.VideoFrame]]:
        """Yield all frames from the one on display at `start_s`, or from an earlier one."""
        clock = Clock(self._origin_s, self.frame_s)
        if start_s > _WORTH_A_SEEK_S and self._seek(start_s):
            landed = next(self._decoded, None)
            stamp_s = None if landed is None else _stamp(landed)
            if landed is not None and stamp_s is not None and stamp_s - self._origin_s <= start_s:
                yield clock.time(stamp_s), landed
            else:  # the index led past the place, or to where nothing says what time it is: read up to it
                self._seek(0.0)
        else:
            first = self._first.pop()
            yield clock.time(_stamp(first)), first
        for frame in self._decoded:
            yield clock.time(_stamp(frame)), frame

    def _seek(self, time_s: float) -> bool:
        base = self._stream.time_base
        if base is None:
            return False
        try:
            self._container.seek(int((self._origin_s + time_s) / base), stream=self._stream)
        except (av.FFmpegError, OSError, OverflowError):
            return False
        self._decoded = self._decode()
        return True

    def _decode(self) -> Generator[av.VideoFrame]:
        """Yield what can be decoded; count what cannot."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except Exception:  # FFmpeg fails in eight ways at least; all mean that the data ends here
                self._broke_off = True
                packet = None
            try:
                frames = self._stream.codec_context.decode(packet)
            except MemoryError:
                raise
            except av.EOFError:
                frames = []
            except Exception:
                self._check_pixels(self._stream.codec_context.width, self._stream.codec_context.height)
                self._damaged += 1
                frames = []
            for frame in frames:
                self._damaged += frame.is_corrupt
                yield frame
            if packet is None:
                return

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._limits.max_pixels:
            raise TooManyPixels(
                f"The video's frames have {width} × {height} pixels, more than the {self._limits.max_pixels} that are "
                "taken. Scale it down and send it again."
            )

    def _check_whole(self, last_s: float) -> None:
        declared_s = _indexed(self._container, self._stream)
        if last_s < 0.9 * declared_s and declared_s - last_s > 0.5:
            raise TruncatedVideo(
                f"The file says that it lasts {declared_s:.1f} s, but its pictures end after {last_s:.1f} s. "
                "The upload or the recording was cut short: send the whole file."
            )

    def _nothing(self) -> BadMedia:
        if self._damaged or self._broke_off:
            return CannotDecode("None of the video's frames can be decoded. " + _RESEND)
        return NoFrames("The file has a video stream, but no frame in it. Record or export it again.")


_RESEND = "It may be damaged or incomplete: check that it plays, export it as H.264 in MP4, and send it again."


def _moving_picture(container: av.container.InputContainer, formats: Formats) -> av.VideoStream:
    """Choose the video stream: no cover picture, the one marked as default, then the largest."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _ATTACHED]
    if not streams:
        raise NoVideoStream("The file has sound or pictures at most. Send a video.")
    taken = [s for s in streams if s.codec_context is not None and s.codec_context.name in formats.codecs]
    if not taken:
        context = streams[0].codec_context
        named = f"The codec {context.name} is not taken" if context is not None else "The video's codec is not known"
        raise UnsupportedCodec(f"{named}. Export the video as H.264 in MP4 and send it again.")
    default = av.stream.Disposition.default
    return max(taken, key=lambda s: (bool(s.disposition & default), s.codec_context.width * s.codec_context.height))


def _declared(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    if stream.duration and stream.duration > 0 and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _indexed(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Return the duration that the index gives for the video stream itself; 0 where the container has no such index."""
    if stream.time_base is None:
        return 0.0
    if container.format.name == "avi":
        return float(stream.frames * stream.time_base)  # its duration was already cut to the file's size
    if container.format.name.startswith("mov,mp4"):
        return float((stream.duration or 0) * stream.time_base)
    return 0.0


def _duration(frame: av.VideoFrame) -> float:
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base is not None else 0.0


def _stamp(frame: av.VideoFrame) -> float | None:
    if frame.pts is None or frame.time_base is None:
        return None
    return float(frame.pts * frame.time_base)
