"""Draw an analysis on its video: boxes around faces, the current label, and bars of the scores."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import av.container
import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.results import Analysis, Face, PathPoint, Window
from service.vision.frames import OWN_FILES, Limits, ffmpeg_options, open_video

_LIMITS = Limits(max_pixels=2**27, max_duration_s=float("inf"), max_frames=2**62)
_TICK = Fraction(1, 90_000)  # seconds
_LONGEST_SIDE = 1 << 16  # pixels: pictures keep their size
_AWAY_S = 1.0  # a longer gap between two points of a path means that the face was away
_INK, _PAPER, _ACCENT = (255, 255, 255), (46, 18, 20), (169, 163, 255)

Picture = NDArray[np.uint8]


def annotate(video: Path, analysis: Analysis, target: Path) -> list[str]:
    """Write an H.264 MP4 of the video with its analysis drawn on it; times, size and sound stay as they are.

    The target appears when it is complete, so that no broken file stays after a failure.

    Args:
        video: the file that was analysed.
        analysis: the analysis of the video, with boxes in pixels of the upright frame.
        target: the file to write.

    Returns:
        What the target lacks, as sentences for users.

    Raises:
        BadMedia: the video cannot be decoded.
        OSError: the video cannot be read, or the target not written.
    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        lacking = _write_film(video, analysis, unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return lacking


def _write_film(video: Path, analysis: Analysis, target: Path) -> list[str]:
    with (
        open_video(video, _LIMITS, OWN_FILES, picture_side=_LONGEST_SIDE) as source,
        av.open(str(video.absolute()), options=ffmpeg_options(OWN_FILES), metadata_errors="replace") as heard,
        av.open(str(target), "w", format="mp4") as film,
    ):
        width, height = source.upright.frame_size
        stream = film.add_stream("libx264", rate=Fraction(1 / source.frame_s).limit_denominator(1000))
        stream.width, stream.height = width + width % 2, height + height % 2  # H.264 in 4:2:0 needs even sides
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _TICK
        sound = _Sound(heard, film, source.origin_s)
        for shown in source.read(0.0, None):
            drawn = source.upright(shown.frame)
            for face in analysis.faces or []:
                _draw(drawn, face, shown.time_s)
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


def box_at(path: list[PathPoint], time_s: float) -> tuple[float, float, float, float] | None:
    """Interpolate a face's box (left, top, width, height) at a time; return None while the face is away."""
    if not path or not path[0][0] - 0.1 <= time_s <= path[-1][0] + 0.1:
        return None
    after = next((place for place, point in enumerate(path) if point[0] >= time_s), len(path) - 1)
    one, other = path[max(0, after - 1)], path[after]
    if other[0] - one[0] > _AWAY_S:
        return None
    share = min(1.0, max(0.0, (time_s - one[0]) / (other[0] - one[0]))) if other[0] > one[0] else 0.0
    x, y, w, h = (a + share * (b - a) for a, b in zip(one[1:], other[1:], strict=True))
    return x, y, w, h


def window_at(timeline: list[Window], time_s: float) -> Window | None:
    """Return the window that contains a time and whose middle is nearest to it, if any."""
    within = [window for window in timeline if window.start_s <= time_s <= window.end_s]
    return min(within, key=lambda window: abs(window.start_s + window.end_s - 2 * time_s), default=None)


def _draw(picture: Picture, face: Face, time_s: float) -> None:
    box = box_at(face.path, time_s)
    if box is None:
        return
    left, top, width, height = (round(value) for value in box)
    thick = max(1, round(len(picture) / 240))
    size = len(picture) / 720
    cv2.rectangle(picture, (left, top), (left + width, top + height), _ACCENT, thick, cv2.LINE_AA)
    window = window_at(face.timeline, time_s)
    lines = [f"track {face.track}"]
    bars: list[tuple[str, float]] = []
    if window is not None and window.expression is not None:
        lines = [
            f"track {face.track}  {window.expression.label} {window.expression.scores[window.expression.label]:.0%}"
        ]
        bars = sorted(window.expression.scores.items())
    if window is not None and window.valence is not None and window.arousal is not None:
        lines.append(f"v {window.valence:+.2f}  a {window.arousal:+.2f}")
    step = max(12, round(26 * size))
    for number, text in enumerate(lines):
        _write(picture, text, (left, top - 6 - step * (len(lines) - 1 - number)), size)
    side = left + width + 2 * thick
    for number, (label, share) in enumerate(bars):
        y = top + number * step
        cv2.rectangle(picture, (side, y), (side + round(share * 110 * max(size, 0.5)), y + step - 4), _ACCENT, -1)
        _write(picture, label, (side + 2, y + step - 8), 0.75 * size)


def _write(picture: Picture, text: str, place: tuple[int, int], size: float) -> None:
    scale, thick = max(0.35, 0.8 * size), max(1, round(2 * size))
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _PAPER, thick + 2, cv2.LINE_AA)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, thick, cv2.LINE_AA)
