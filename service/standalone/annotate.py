"""Write an analysis on its video; `overlay` draws it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import av.container
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from mien.contract.errors import CannotDecode, TruncatedVideo
from mien.contract.results import Analysis
from service.standalone.fitted import fitted
from service.standalone.overlay import draw
from service.vision.clock import Clock
from service.vision.formats import ALL_LISTED
from service.vision.frames import Limits, TimedFrame, VideoReader, open_container, open_video
from service.vision.picture import usual_matrix
from service.vision.skipped_frames import Packet

_LIMITS = Limits(max_pixels=2**27, max_duration_s=float("inf"), max_frames=2**62)
_TICK = Fraction(1, 90_000)  # seconds
_LONGEST_SIDE = 1 << 16  # pixels: pictures keep their size
# A picture's colours by ITU-T H.273: the same number stands for primaries, transfer characteristics and matrix.
_BT_709, _BT_601 = 1, 6
_SOUND_PACKET_S = 0.02  # about the duration of one, where the file's times start again
# MP4 declares the sampling rate, which only a decoder can tell of AAC in MPEG-TS.
_SOUND_FORMATS = replace(ALL_LISTED, codecs=ALL_LISTED.codecs | {"aac"})


def annotate(video: Path, analysis: Analysis, target: Path) -> list[str]:
    """Write an H.264 MP4 of the video with its analysis drawn on it; times, size and sound stay as they are.

    Args:
        video: the file that was analysed.
        analysis: the analysis of the video, with boxes in pixels of the upright frame.
        target: the file to write; after a failure it is incomplete.

    Returns:
        What the target lacks, as sentences for users.

    Raises:
        BadMedia: the video cannot be decoded, or FFmpeg cannot write it as MP4.
        OSError: the video cannot be read, or the target not written.
    """
    try:
        return _annotate(video, analysis, target)
    except OSError:  # some of FFmpeg's errors are
        raise
    except av.FFmpegError as error:
        raise CannotDecode(
            f"FFmpeg cannot write the annotated video ({error.strerror}). Export the video as H.264 in MP4 and "
            "annotate that."
        ) from error


def _annotate(video: Path, analysis: Analysis, target: Path) -> list[str]:
    track = None if analysis.video is None else analysis.video.track
    with (
        open_video(video, _LIMITS, ALL_LISTED, picture_side=_LONGEST_SIDE, track=track) as source,
        open_container(video, _LIMITS, _SOUND_FORMATS) as heard,
        av.open(str(target), "w", format="mp4") as film,
    ):
        width, height = source.upright.frame_size
        stream = film.add_stream("libx264", rate=Fraction(1 / source.frame_s).limit_denominator(1000))
        stream.width, stream.height = width + width % 2, height + height % 2  # H.264 in 4:2:0 needs even sides
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _TICK
        matrix = usual_matrix(stream.width, stream.height)
        _tag(stream.codec_context, _BT_709 if matrix is Colorspace.ITU709 else _BT_601)
        # MP4 adds up the durations of the packets as they were encoded: with B-frames, the last is not the last shown.
        stream.codec_context.max_b_frames = 0
        stream.codec_context.flags |= av.codec.context.Flags.frame_duration
        reformatter = VideoReformatter()  # reuses its scaler for all frames
        lacking: list[str] = []
        sound = _Sound(heard, film, source.origin_s)
        for shown in _frames(source, lacking):
            drawn = source.upright(shown.frame)
            draw(drawn, analysis, shown.time_s)
            if drawn.shape[:2] != (height, width):
                drawn = fitted(drawn, width, height)
            drawn = np.pad(drawn, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = reformatter.reformat(
                av.VideoFrame.from_ndarray(drawn, format="rgb24"),
                format="yuv420p",
                dst_colorspace=matrix,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts, frame.time_base = round(shown.time_s / _TICK), _TICK
            frame.duration = round(shown.until_s / _TICK) - frame.pts
            film.mux(stream.encode(frame))
            sound.copy(shown.until_s)
        film.mux(stream.encode(None))
        sound.copy(float("inf"))
        return lacking + sound.lacking


def _tag(encoder: VideoCodecContext, colours: int) -> None:
    """Tell players what the colours mean: they would guess it from the size, each in its own way."""
    encoder.color_primaries = encoder.color_trc = encoder.colorspace = colours
    encoder.color_range = ColorRange.MPEG


def _frames(source: VideoReader, lacking: list[str]) -> Iterator[TimedFrame]:
    """Yield the frames of a video; add a sentence to `lacking` if the file is cut off."""
    try:
        yield from source.read(0.0, None)
    except TruncatedVideo:
        lacking.append(f"It ends after {source.end_s:.1f} s: the video that it was made from is cut off there.")


class _Sound:
    """Copy the sound of a file, packet by packet, as far as MP4 can hold it.

    Attributes:
        lacking: which sound is left out, as sentences for users.
    """

    def __init__(self, heard: av.container.InputContainer, film: av.container.OutputContainer, origin_s: float) -> None:
        self._film = film
        self._copies: dict[int, av.AudioStream] = {}
        self._clocks: dict[int, Clock] = {}
        self._filters: dict[int, BitStreamFilterContext] = {}
        self._damaged = False
        self.lacking: list[str] = []
        held = []
        for track in heard.streams.audio:
            if not _fits_mp4(track):
                codec = track.codec_context
                reason = "its codec is unknown" if codec is None else f"MP4 cannot hold the codec {codec.name}"
                self.lacking.append(f"Its sound is left out: {reason}.")
                continue
            held.append(track)
            self._copies[track.index] = film.add_stream_from_template(track)
            self._clocks[track.index] = Clock(origin_s, _SOUND_PACKET_S)
            if track.codec_context.name == "aac" and not track.codec_context.extradata:
                self._filters[track.index] = BitStreamFilterContext("aac_adtstoasc", track)
        self._packets = self._timed(heard.demux(held) if held else iter(()))
        self._next = next(self._packets, None)

    def copy(self, until_s: float) -> None:
        """Copy the packets up to a time of the video."""
        while self._next is not None and self._next[0] < until_s:
            try:
                self._write(self._next[1])
            except (av.ArgumentError, av.InvalidDataError, av.PatchWelcomeError):  # about this packet
                self._lack_parts()
            self._next = next(self._packets, None)

    def _timed(self, packets: Iterator[Packet]) -> Iterator[tuple[float, Packet]]:
        """Yield the packets with their times, which they get as timestamps, as far as the file can be read."""
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._lack_parts()
                return
            if packet is None:
                return
            base = packet.time_base
            if packet.dts is not None and packet.pts is not None and base is not None:
                time_s = self._clocks[packet.stream.index].time(float(packet.dts * base))
                packet.pts = packet.dts = round(time_s / base)
                yield time_s, packet

    def _write(self, packet: Packet) -> None:
        index = packet.stream.index
        bitstream = self._filters.get(index)
        for part in [packet] if bitstream is None else bitstream.filter(packet):
            part.stream = self._copies[index]
            self._film.mux(part)

    def _lack_parts(self) -> None:
        if not self._damaged:
            self._damaged = True
            self.lacking.append("Parts of its sound are left out: they are damaged.")


def _fits_mp4(track: av.AudioStream) -> bool:
    """Return whether MP4 can hold a track as it is."""
    try:
        with av.open(BytesIO(), "w", format="mp4") as trial:
            trial.add_stream_from_template(track)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True
