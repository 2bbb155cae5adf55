"""Decode a video file into frames with display times, in seconds of the media clock.

FFmpeg opens only listed containers and codecs: no playlists, images, network protocols or references to other files.
Declared durations are not trusted; decoded time counts. Every FFmpeg failure becomes a
`mien.contract.errors.BadMedia`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple, cast

import av
import av.container

from mien.contract.containers import HEAD_BYTES, OPTIONAL_CONTAINERS, is_accepted, listed
from mien.contract.errors import (
    BadMedia,
    CannotDecode,
    DecodeTooCostly,
    NoFrames,
    NoVideoStream,
    TooLong,
    TooManyPixels,
    TruncatedVideo,
    UnsupportedCodec,
)
from service.vision.clock import Clock
from service.vision.decode_device import DecodeDevice, PlanarFrames, accelerator
from service.vision.exif import jpeg_orientation
from service.vision.formats import UPLOADS, Formats, ffmpeg_options
from service.vision.iso_boxes import is_cut_off, is_encrypted
from service.vision.picture import WORKING_SIDE, Orientation, Upright, orientation_of
from service.vision.skipped_frames import FrameSkipper, Packet, look_ahead
from service.vision.streams import choose_stream, seconds
from service.vision.webp import film_of

_MIN_SEEK_S = 3.0  # decode from the start up to here: that is cheaper than a seek
_SWAPPED_S = 0.5  # a larger step back is a restart (concatenated files)
_MAX_PIXEL_ASPECT = 4.0
_SQUARE = 0.01  # pixels that differ less from squares are squares: scaling to whole pixels leaves such
_BYTES_PER_PIXEL = 3  # of a frame in 10 bits; chroma has half the width and height
_PASSED = 25  # frames between two calls of `on_passed`
_PADDING_S = 0.05  # sound that lasts so much longer than the pictures only fills its last packet
_TOLD_CHANGES = 3  # changes of the picture's size that a warning names
_THREADS = 2  # each thread takes frame buffers and address space
_WEBP = OPTIONAL_CONTAINERS["webp"]
# Codecs whose frames tell strictly whether others refer to them. HEVC's tell it for their own temporal layer only.
_TELL_REFERENCES = {"h264"}


@dataclass(frozen=True)
class Limits:
    """Limits on one video.

    Attributes:
        max_pixels: maximum width × height of a frame.
        max_duration_s: maximum length of the part that is read, in seconds of media time.
        max_frames: maximum number of decoded frames.
        max_decoded_pixels: maximum number of pixels in all frames that are decoded, shown or not.
    """

    max_pixels: int
    max_duration_s: float
    max_frames: int
    max_decoded_pixels: float = float("inf")


@dataclass(frozen=True)
class VideoOpened:
    """The file was opened and its first frame decoded.

    Attributes:
        width: width of the upright frame in pixels.
        height: height of the upright frame in pixels.
        total_s: duration that the container declares, which may be wrong; None if it declares none.
        device: where it is decoded.
    """

    width: int
    height: int
    total_s: float | None
    device: DecodeDevice = "cpu"


@dataclass(frozen=True)
class TimedFrame:
    """A frame that is on display in [time_s, until_s)."""

    time_s: float
    until_s: float
    frame: av.VideoFrame


class _Decoded(NamedTuple):
    """A frame, its timestamp in seconds, its pixels' width divided by their height, and how to turn it."""

    frame: av.VideoFrame
    stamp_s: float | None
    pixel_aspect: float
    turned: Orientation

    @property
    def duration_s(self) -> float:
        """How long it is on display; 0 if it does not tell."""
        return seconds(self.frame.duration, self.frame.time_base) or 0.0


class _SkippedFrame(NamedTuple):
    """The packet of a frame that was not decoded, and its timestamp in seconds."""

    packet: Packet
    stamp_s: float | None

    @property
    def duration_s(self) -> float:
        """How long it is on display; 0 if it does not tell."""
        return seconds(self.packet.duration, self.packet.time_base) or 0.0


def open_container(
    path: Path, limits: Limits, formats: Formats, device: DecodeDevice = "cpu"
) -> av.container.InputContainer:
    """Open a file with FFmpeg; `open_video` says what it raises."""
    if path.stat().st_size == 0:
        raise CannotDecode("The file is empty. Send it again.")
    with path.open("rb") as file:
        is_webp = _WEBP in formats.containers and is_accepted(file.read(HEAD_BYTES), [_WEBP])
    film = film_of(path, limits.max_pixels, limits.max_frames) if is_webp else str(path.absolute())
    try:
        return av.open(
            film, "r", options=ffmpeg_options(formats), metadata_errors="replace", hwaccel=accelerator(device)
        )
    except MemoryError:
        raise
    except Exception as error:
        if is_cut_off(path):
            raise _cut_short() from error
        raise CannotDecode(f"The file cannot be read as {listed(formats.containers)}. " + _RESEND) from error


@contextmanager
def open_video(
    path: Path,
    limits: Limits,
    formats: Formats = UPLOADS,
    *,
    picture_side: int = WORKING_SIDE,
    track: int | None = None,
    device: DecodeDevice = "cpu",
) -> Iterator[VideoReader]:
    """Open a file and decode its first frame.

    Args:
        path: the file.
        limits: limits on the video.
        formats: accepted containers and codecs.
        picture_side: longest side of the pictures.
        track: number of the video track to read, as in `VideoReader.track`; by default the container's own choice, or
            the largest.
        device: where to decode. On a GPU, any error of its decoder is raised, whoever may be at fault.

    Raises:
        BadMedia: the file is not a supported video, or exceeds a limit.
        MemoryError: decoding needs more memory than is available.
        OSError: the file cannot be read.
    """
    with open_container(path, limits, formats, device) as container:
        if container.format.name.startswith("mov,mp4") and is_encrypted(path):
            raise UnsupportedCodec("The video is encrypted (copy protection). Send a copy that is not encrypted.")
        try:
            reader = VideoReader(container, limits, formats, picture_side, track, on_gpu=device != "cpu")
        except (NoVideoStream, UnsupportedCodec, NoFrames, CannotDecode) as error:
            if container.format.name.startswith("mov,mp4") and is_cut_off(path):  # within its index
                raise _cut_short() from error
            raise
        with closing(reader) as video:
            yield video


class VideoReader:
    """Read the frames of an open video once, in order.

    Attributes:
        origin_s: what the file's own timestamps are at time 0, in seconds.
        tracks: the numbers of the video tracks that can be read; cover pictures are no tracks.
        track: the number of the one that is read, from 0.
        upright: converts the frame that `read` yielded last to a picture.
        end_s: end of the display of the frame that `read` yielded last.
        duration_s: the same, until the last frame of the file was read; then the end of the presentation, its sound
            included.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        limits: Limits,
        formats: Formats,
        picture_side: int,
        track: int | None,
        *,
        on_gpu: bool,
    ) -> None:
        self._container = container
        self._limits = limits
        self._chosen = choose_stream(container, formats, track)
        self.tracks, self.track, self._stream = self._chosen.tracks, self._chosen.track, self._chosen.stream
        self._picture_side = picture_side
        self._on_gpu = on_gpu
        self._damaged = 0
        self._pixels = 0
        self._planar = PlanarFrames()
        self._broke_off = False
        self._earliest_s: float | None = None  # the earliest timestamp in the data up to the first decoded frame
        self._began = False
        self._turned: Orientation = (0, False)
        self._coded_aspect: Fraction | None = None
        self._first_coded_aspect: Fraction | None = None
        self._container_aspect = self._chosen.container_aspect
        self._wanted: Callable[[float, float], bool] | None = None
        self._shape_changes: list[str] = []
        self.frames = 0
        self.first_s = self.end_s = self.duration_s = 0.0
        self._set_up_decoder()
        self._decoded = self._decode()
        try:
            self._first_two = self._first_frames()
        except BaseException:
            self.close()
            raise
        self._begin_with(self._first_two[0])

    def _set_up_decoder(self) -> None:
        decoder = self._stream.codec_context
        self._check_pixels(decoder.width, decoder.height)
        decoder.options = {"max_pixels": str(self._limits.max_pixels)}
        if self._on_gpu and not decoder.is_hwaccel:
            raise CannotDecode("The GPU does not know the codec.")
        decoder.thread_count = 1 if self._on_gpu else _THREADS
        decoder.thread_type = "AUTO"
        # PyAV cannot list the side data of a JPEG with EXIF data, so its orientation is read from its packet.
        self._is_jpeg = decoder.name == "mjpeg"
        decoder.copy_opaque = self._is_jpeg

    def _begin_with(self, first: _Decoded) -> None:
        """Take the timeline's origin and the picture's shape from the first frame."""
        self._delay_s = self._chosen.delay_s
        self.frame_s = self._chosen.frame_s
        pts_s = seconds(first.frame.pts, first.frame.time_base)
        self._lost_s = 0.0 if pts_s is None or self._earliest_s is None else pts_s - self._earliest_s
        if self._lost_s < self.frame_s / 2:
            self._lost_s = 0.0
        self.origin_s = (first.stamp_s or 0.0) - self._lost_s - self._delay_s
        self._shape = _shape(first)
        self.upright = self._upright_of(first)
        self.opened = VideoOpened(
            *self.upright.frame_size,
            total_s=self._chosen.declared_end_s,
            device="cuda" if self._on_gpu else "cpu",
        )

    def close(self) -> None:
        """Free the decoder and its threads now instead of at garbage collection.

        A process forked in between would collect the decoder too, and wait forever for threads that it does not have.
        """
        self._decoded.close()

    def _first_frames(self) -> list[_Decoded]:
        """Decode the first frame, and the second, which some decoders put out before it."""
        decoded = (one for one in self._decoded if isinstance(one, _Decoded))  # none is left out before `read`
        first = next(decoded, None)
        if first is None:
            raise self._nothing()
        self._began = True
        second = next(decoded, None)
        if second is None:
            return [first]
        stamps = first.stamp_s, second.stamp_s
        swapped = stamps[0] is not None and stamps[1] is not None and stamps[1] < stamps[0] < stamps[1] + _SWAPPED_S
        return [second, first] if swapped else [first, second]

    def _upright_of(self, decoded: _Decoded) -> Upright:
        return Upright(decoded.frame, decoded.pixel_aspect, turned=decoded.turned, longest_side=self._picture_side)

    @property
    def warnings(self) -> list[str]:
        """Problems of the part that was read, as sentences for users."""
        found = []
        if self._shape_changes:
            more = len(self._shape_changes) - _TOLD_CHANGES
            found.append(
                f"The picture's size changes {', '.join(self._shape_changes[:_TOLD_CHANGES])}"
                f"{f' and {more} more times' if more > 0 else ''}. Boxes are in pixels of the frame at their time."
            )
        if self._lost_s:
            found.append(
                f"Nothing could be decoded from {self._delay_s:.2f} s to {self._delay_s + self._lost_s:.2f} s: the key "
                "frame is missing there. The rest was analysed."
            )
        if self._damaged:
            pieces = "1 piece" if self._damaged == 1 else f"{self._damaged} pieces"
            found.append(f"The video is damaged: {pieces} of it could not be decoded well. The rest was analysed.")
        if self._broke_off:
            found.append(f"The file could not be read beyond {self.end_s:.1f} s. The part before that was analysed.")
        return found

    def read(
        self,
        start_s: float,
        end_s: float | None,
        wanted: Callable[[float, float], bool] | None = None,
        on_passed: Callable[[], None] = lambda: None,
    ) -> Iterator[TimedFrame]:
        """Yield the frames on display in [start_s, end_s) in order, with strictly increasing times.

        Args:
            start_s: start of the part to read.
            end_s: end of the part to read; None reads to the end of the video.
            wanted: tells whether a frame on display in [from, until) is needed. Others are counted, but neither decoded
                nor yielded where no other frame refers to them: in many videos, that is every second one. By default,
                all are yielded, without gaps.
            on_passed: called now and then while frames before `start_s` are decoded. They are many if the key frame
                before it is far.

        Raises:
            BadMedia: as `open_video`. `TruncatedVideo` is raised only after the last frame was yielded.
        """
        if start_s == 0 and end_s is None:  # else the index does not tell how many of its frames are read
            context = self._stream.codec_context
            self._check_cost(self._stream.frames * context.width * context.height)
        self._wanted = wanted
        pending: tuple[float, _Decoded | _SkippedFrame] | None = None
        for number, (time_s, decoded) in enumerate(self._timed(start_s)):
            if time_s < start_s and number % _PASSED == _PASSED - 1:
                on_passed()
            if isinstance(decoded, _Decoded):
                self._check_pixels(decoded.frame.width, decoded.frame.height)
            if pending is not None and time_s > start_s:
                yield from self._show(pending, time_s, start_s, end_s)
            if end_s is not None and time_s >= end_s:
                if not self.frames:
                    raise NoFrames(f"The video has no frame before {end_s:g} s: its first is at {time_s:.1f} s.")
                return
            pending = time_s, decoded
        if pending is None:
            raise self._nothing()
        time_s, decoded = pending
        last_s = time_s + (decoded.duration_s or self.frame_s)
        if last_s > start_s:
            yield from self._show(pending, last_s, start_s, end_s)
        self._check_whole(last_s)
        if end_s is None and not self._broke_off:
            sound_s = self._chosen.sound_end_s
            lasts = self.end_s + _PADDING_S < sound_s <= self.first_s + self._limits.max_duration_s
            self.duration_s = sound_s if lasts else self.end_s
        if not self.frames:
            raise NoFrames(f"The video ends after {last_s:.1f} s and has no frame from {start_s:g} s on.")

    def _show(
        self, pending: tuple[float, _Decoded | _SkippedFrame], until_s: float, start_s: float, end_s: float | None
    ) -> Iterator[TimedFrame]:
        time_s, decoded = pending
        if end_s is not None:
            until_s = min(until_s, end_s)
        self.frames += 1
        if self.frames == 1:
            self.first_s = time_s
        if until_s - max(start_s, self.first_s) > self._limits.max_duration_s:
            raise TooLong(
                f"The video is longer than the limit of {self._limits.max_duration_s:g} s. "
                "Cut it, or choose a part with start_s and end_s."
            )
        if self.frames > self._limits.max_frames:
            raise TooLong(
                f"The video has more than the limit of {self._limits.max_frames} frames. "
                "Cut it, choose a part with start_s and end_s, or lower its frame rate."
            )
        self.end_s = self.duration_s = until_s
        if isinstance(decoded, _SkippedFrame):
            return
        if (shape := _shape(decoded)) != self._shape:
            self._shape = shape
            before, self.upright = self.upright.frame_size, self._upright_of(decoded)
            if self.frames > 1 and before != self.upright.frame_size:
                sizes = (f"{width} × {height}" for width, height in (before, self.upright.frame_size))
                self._shape_changes.append("from {} to {} at {:.2f} s".format(*sizes, time_s))
        yield TimedFrame(time_s, until_s, self._planar(decoded.frame))

    def _timed(self, start_s: float) -> Iterator[tuple[float, _Decoded | _SkippedFrame]]:
        """Yield all frames with their times, from the one on display at `start_s` or an earlier one."""
        clock = Clock(self.origin_s, self.frame_s)
        if start_s > _MIN_SEEK_S and self._seek(start_s):
            landed = next(self._decoded, None)
            stamp_s = None if landed is None else landed.stamp_s
            if landed is not None and stamp_s is not None and stamp_s - self.origin_s <= start_s:
                yield clock.time(stamp_s), landed
            else:  # the seek went too far, or landed on a frame without a timestamp: read from the start
                self._seek(0.0)
        else:
            while self._first_two:
                first = self._first_two.pop(0)
                yield clock.time(first.stamp_s), first
        for decoded in self._decoded:
            yield clock.time(decoded.stamp_s), decoded

    def _seek(self, time_s: float) -> bool:
        base = self._stream.time_base
        if base is None:
            return False
        try:
            self._container.seek(int((self.origin_s + time_s) / base), stream=self._stream)
        except (av.FFmpegError, OSError, OverflowError):
            return False
        self._decoded = self._decode()
        return True

    def _demux(self) -> Iterator[Packet]:
        """Yield the stream's packets as far as the file can be read, the last one empty."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except Exception:  # FFmpeg has many error types; each means that the data ends here
                self._broke_off = True
                return
            if packet is None:
                return
            yield packet

    def _is_wanted(self, from_s: float, until_s: float) -> bool:
        """Return whether a frame is needed that is on display between two timestamps."""
        if self._wanted is None or self._stream.codec_context.name not in _TELL_REFERENCES:
            return True
        return self._wanted(from_s - self.origin_s, until_s - self.origin_s)

    def _decode(self) -> Generator[_Decoded | _SkippedFrame]:
        """Yield all frames that can be decoded, and in their places those that are left out; count failures."""
        skipper = FrameSkipper(self._stream.codec_context)
        for packet, needed in chain(look_ahead(self._demux(), self._is_wanted), [(None, True)]):
            if not self._began and packet is not None and packet.pts is not None and not packet.is_discard:
                stamp_s = float(packet.pts * packet.time_base)
                self._earliest_s = stamp_s if self._earliest_s is None else min(self._earliest_s, stamp_s)
            if self._is_jpeg and packet is not None:
                packet.opaque = jpeg_orientation(bytes(packet))
            skipper.prepare(packet, needed=needed)
            try:
                frames = self._stream.codec_context.decode(packet)
            except MemoryError:
                raise
            except av.EOFError:
                frames = []
            except Exception as error:
                self._check_pixels(self._stream.codec_context.width, self._stream.codec_context.height)
                if self._on_gpu:
                    raise CannotDecode("The GPU cannot decode it.") from error
                self._require_memory()
                self._damaged += 1
                frames = []
            for frame in frames:
                if self._on_gpu and frame.width != self._stream.codec_context.width:
                    raise CannotDecode("The GPU does not crop at the left.")
                self._pixels += frame.width * frame.height
                self._check_cost(self._pixels)
                self._damaged += frame.is_corrupt
                # The codec's pixel aspect and orientation are valid up to the next key frame (H.264, D.2.27). Before
                # the first frame is decoded, they may be those of later frames.
                if not self._began or frame.key_frame:
                    self._coded_aspect = self._stream.codec_context.sample_aspect_ratio
                    self._turned = cast("Orientation | None", frame.opaque) or orientation_of(frame)
                for skipped in skipper.before(frame):
                    yield _SkippedFrame(skipped, self._chosen.stamp_s(skipped))
                yield _Decoded(frame, self._chosen.stamp_s(frame), self._pixel_aspect(), self._turned)
        for skipped in skipper.rest():
            yield _SkippedFrame(skipped, self._chosen.stamp_s(skipped))

    def _pixel_aspect(self) -> float:
        """Return the pixel aspect of the frame that was decoded last; 1 if it is nearly that, unknown or absurd.

        The container's value is used, if it declares one, until the codec's changes.
        """
        if not self._began:
            self._first_coded_aspect = self._coded_aspect
        changed = self._coded_aspect != self._first_coded_aspect
        coded = self._coded_aspect if changed else self._container_aspect or self._coded_aspect
        aspect = float(coded or 1)
        odd = abs(aspect - 1) < _SQUARE or not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT
        return 1.0 if odd else aspect

    def _require_memory(self) -> None:
        """Raise MemoryError if there is none for a frame: FFmpeg's H.264 decoder then says that its data is invalid."""
        decoder = self._stream.codec_context
        bytearray(_BYTES_PER_PIXEL * decoder.width * decoder.height)

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._limits.max_pixels:
            raise TooManyPixels(
                f"The video's frames have {width} × {height} pixels. The limit is {self._limits.max_pixels} pixels per "
                "frame. Scale the video down and send it again."
            )

    def _check_cost(self, pixels: int) -> None:
        if pixels > self._limits.max_decoded_pixels:
            raise DecodeTooCostly(
                f"The video's frames have more than {self._limits.max_decoded_pixels:.3g} pixels in all, which is the "
                "limit. Scale the video down, lower its frame rate, or choose a part with start_s and end_s."
            )

    def _check_whole(self, last_s: float) -> None:
        declared_s = self._chosen.indexed_s
        last_s -= self._delay_s
        missing_s = declared_s - last_s
        self._broke_off |= missing_s > max(self.frame_s, 0.01 * declared_s) and self._chosen.is_cut_off
        if last_s < 0.9 * declared_s and missing_s > 0.5:
            raise TruncatedVideo(
                f"The file says that it lasts {declared_s:.1f} s, but its pictures end after {last_s:.1f} s. "
                "The upload or the recording was cut short: send the whole file."
            )

    def _nothing(self) -> BadMedia:
        if self._damaged or self._broke_off:
            return CannotDecode("None of the video's frames can be decoded. " + _RESEND)
        return NoFrames("The file has a video stream, but no frame in it. Record or export it again.")


def _cut_short() -> TruncatedVideo:
    return TruncatedVideo(
        "The file ends before its data does. The upload or the recording was cut short: send it whole."
    )


_RESEND = "It may be damaged or incomplete: check that it plays, export it as H.264 in MP4, and send it again."


def _shape(decoded: _Decoded) -> tuple[int, int, float, Orientation]:
    return decoded.frame.width, decoded.frame.height, decoded.pixel_aspect, decoded.turned
