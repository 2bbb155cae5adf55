"""Choose a container's video stream, and tell what the container declares about it: in seconds, and perhaps wrong."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.stream

from mien.contract.errors import NoVideoStream, UnsupportedCodec
from service.vision import ebml
from service.vision.formats import Formats
from service.vision.skipped_frames import Packet

_DEFAULT_FRAME_S = 0.04  # duration of a frame if the stream has no frame rate
_ATTACHED = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails


@dataclass(frozen=True)
class ChosenStream:
    """A video stream of an open container.

    Attributes:
        container: the container.
        stream: the stream.
        tracks: the numbers of the video tracks that can be read, from 0; cover pictures are no tracks.
        track: the stream's number among them.
    """

    container: av.container.InputContainer
    stream: av.VideoStream
    tracks: list[int]
    track: int

    @property
    def delay_s(self) -> float:
        """Time from the start of the presentation to the start of this stream."""
        if self.container.start_time is None or self.stream.start_time is None or self.stream.time_base is None:
            return 0.0
        return max(0.0, float(self.stream.start_time * self.stream.time_base) - self._start_s)

    @property
    def frame_s(self) -> float:
        """Duration of a frame."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return 1 / float(rate) if rate else _DEFAULT_FRAME_S

    @property
    def declared_end_s(self) -> float | None:
        """End of the stream; None if the container declares none."""
        if self.stream.duration and self.stream.duration > 0 and self.stream.time_base is not None:
            return self.delay_s + float(self.stream.duration * self.stream.time_base)
        if self.container.duration and self.container.duration > 0:
            return self.container.duration / av.time_base
        return None

    @property
    def indexed_s(self) -> float:
        """Duration of the stream by the container's index; 0 if it has no such index."""
        if self.stream.time_base is None:
            return 0.0
        if self.container.format.name == "avi":  # FFmpeg already clipped the duration to the file's size
            return float(self.stream.frames * self.stream.time_base)
        if self._is_mov:
            return float((self.stream.duration or 0) * self.stream.time_base)
        if self.is_cut_off:  # else what is not in its head is FFmpeg's guess
            return (self.container.duration or 0) / av.time_base
        return 0.0

    @property
    def sound_end_s(self) -> float:
        """End of the sound, as far as the container declares it; else 0.

        Matroska declares only the end of the presentation, which may be that of another video track.
        """
        declared = [
            (seconds(sound.start_time, sound.time_base), seconds(sound.duration, sound.time_base))
            for sound in self.container.streams.audio
        ]
        ends_s = [begins_s + lasts_s for begins_s, lasts_s in declared if begins_s is not None and lasts_s is not None]
        if ends_s:
            return max(ends_s) - self._start_s
        if not declared or len(_video_streams(self.container)) > 1:
            return 0.0
        start_s = (self.container.start_time or 0) / av.time_base - self._start_s
        return (self.container.duration or 0) / av.time_base + start_s

    def stamp_s(self, shown: av.VideoFrame | Packet) -> float | None:
        """Return the presentation timestamp of one of the stream's frames or packets; None if it has none.

        AVI has none: FFmpeg makes them up in decoding order. There, a frame has the decoding timestamp of the packet
        that made the decoder put it out, which is late by as much for each frame.
        """
        units = shown.dts if self.container.format.name == "avi" else shown.pts
        return seconds(units, shown.time_base)

    @property
    def container_aspect(self) -> Fraction | None:
        """Pixel aspect by the container; None if it declares none, or what the codec says.

        It can be told before the first frame is decoded: FFmpeg gives the codec's, as it was at the end of the probed
        part, where the container declares none.
        """
        aspect = self.stream.sample_aspect_ratio
        return None if aspect == self.stream.codec_context.sample_aspect_ratio else aspect

    @property
    def is_cut_off(self) -> bool:
        """Whether it is a Matroska file that ends before its segment does, which FFmpeg reads without an error."""
        return self.container.format.name.startswith("matroska") and ebml.is_cut_off(Path(self.container.name))

    @property
    def _is_mov(self) -> bool:
        return self.container.format.name.startswith("mov,mp4")

    @property
    def _start_s(self) -> float:
        """The file's timestamp at the start of its presentation.

        MP4 and MOV have a timeline that begins at 0, where nothing may be shown yet (ISO/IEC 14496-12, 8.6.6); in other
        containers the presentation begins with the first picture or sound.
        """
        start_s = (self.container.start_time or 0) / av.time_base
        return min(0.0, start_s) if self._is_mov else start_s


def choose_stream(container: av.container.InputContainer, formats: Formats, track: int | None) -> ChosenStream:
    """Choose a video stream: the given track, or else preferably the default one, then the largest.

    Raises:
        NoVideoStream: there is no video stream, or not this track.
        UnsupportedCodec: no stream, or not this one, has an accepted codec.
    """
    streams = _video_streams(container)
    if not streams:
        raise NoVideoStream("The file has no video stream. Send a video.")
    if track is not None and track >= len(streams):
        raise NoVideoStream(
            f"The file has no video track {track}. It has {len(streams)}, numbered from 0: choose one of them, or "
            "leave out the option track."
        )
    taken = [
        number
        for number, stream in enumerate(streams)
        if stream.codec_context is not None and stream.codec_context.name in formats.codecs
    ]
    if not taken or (track is not None and track not in taken):
        context = streams[track or 0].codec_context
        named = f"The codec {context.name} is not supported" if context is not None else "The video's codec is unknown"
        raise UnsupportedCodec(f"{named}. Export the video as H.264 in MP4 and send it again.")

    def preference(number: int) -> tuple[bool, int]:
        stream = streams[number]
        default = bool(stream.disposition & av.stream.Disposition.default)
        return default, stream.codec_context.width * stream.codec_context.height

    chosen = max(taken, key=preference) if track is None else track
    return ChosenStream(container, streams[chosen], taken, chosen)


def _video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    return [stream for stream in container.streams.video if not stream.disposition & _ATTACHED]


def seconds(units: int | None, base: Fraction | None) -> float | None:
    """Convert a number of units of a time base to seconds."""
    return None if units is None or base is None else float(units * base)
