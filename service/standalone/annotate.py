"""Write an analysis on its video; `overlay` draws it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np

from mien.contract.results import Analysis
from service.standalone.fitted import fitted
from service.standalone.overlay import draw
from service.vision.formats import ALL_LISTED
from service.vision.frames import Limits, open_container, open_video

_LIMITS = Limits(max_pixels=2**27, max_duration_s=float("inf"), max_frames=2**62)
_TICK = Fraction(1, 90_000)  # seconds
_LONGEST_SIDE = 1 << 16  # pixels: pictures keep their size


def annotate(video: Path, analysis: Analysis, target: Path) -> list[str]:
    """Write an H.264 MP4 of the video with its analysis drawn on it; times, size and sound stay as they are.

    Args:
        video: the file that was analysed.
        analysis: the analysis of the video, with boxes in pixels of the upright frame.
        target: the file to write; after a failure it is incomplete.

    Returns:
        What the target lacks, as sentences for users.

    Raises:
        BadMedia: the video cannot be decoded.
        OSError: the video cannot be read, or the target not written.
    """
    track = None if analysis.video is None else analysis.video.track
    with (
        open_video(video, _LIMITS, ALL_LISTED, picture_side=_LONGEST_SIDE, track=track) as source,
        open_container(video, _LIMITS, ALL_LISTED) as heard,
        av.open(str(target), "w", format="mp4") as film,
    ):
        width, height = source.upright.frame_size
        stream = film.add_stream("libx264", rate=Fraction(1 / source.frame_s).limit_denominator(1000))
        stream.width, stream.height = width + width % 2, height + height % 2  # H.264 in 4:2:0 needs even sides
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _TICK
        sound = _Sound(heard, film, source.origin_s)
        for shown in source.read(0.0, None):
            drawn = source.upright(shown.frame)
            draw(drawn, analysis, shown.time_s)
            if drawn.shape[:2] != (height, width):
                drawn = fitted(drawn, width, height)
            drawn = np.pad(drawn, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
            frame.pts, frame.time_base = round(shown.time_s / _TICK), _TICK
            film.mux(stream.encode(frame))
            sound.copy(shown.until_s)
        film.mux(stream.encode(None))
        sound.copy(float("inf"))
        return sound.lacking


class _Sound:
    """Copy the sound of a file, packet by packet, as far as MP4 can hold it.

    Attributes:
        lacking: which sound is left out, as sentences for users.
    """

    def __init__(self, heard: av.container.InputContainer, film: av.container.OutputContainer, origin_s: float) -> None:
        self._film = film
        self._origin_s = origin_s
        self._copies: dict[int, av.AudioStream] = {}
        self.lacking: list[str] = []
        held = []
        for track in heard.streams.audio:
            try:
                self._copies[track.index] = film.add_stream_from_template(track)
                held.append(track)
            except (ValueError, av.FFmpegError):
                self.lacking.append(f"Its sound is left out: MP4 cannot hold the codec {track.codec_context.name}.")
        self._packets = heard.demux(held) if held else iter(())
        self._next = next(self._packets, None)

    def copy(self, until_s: float) -> None:
        """Copy the packets up to a time of the video."""
        while (packet := self._next) is not None:
            base = packet.time_base
            if packet.dts is not None and packet.pts is not None and base is not None:
                if float(packet.dts * base) - self._origin_s >= until_s:
                    return
                shift = round(self._origin_s / base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = self._copies[packet.stream.index]
                self._film.mux(packet)
            self._next = next(self._packets, None)
