"""Draw an analysis on its video: boxes around faces, the current label, and bars of the scores."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.results import Analysis, Face, PathPoint, Window
from service.vision.frames import OWN_FILES, Limits, open_video

_LIMITS = Limits(max_pixels=2**27, max_duration_s=float("inf"), max_frames=2**62)
_TICK = Fraction(1, 90_000)  # seconds
_AWAY_S = 1.0  # a longer gap between two points of a path means that the face was away
_INK, _PAPER, _ACCENT = (255, 255, 255), (46, 18, 20), (169, 163, 255)

Picture = NDArray[np.uint8]


def annotate(video: Path, analysis: Analysis, target: Path) -> None:
    """Write an H.264 MP4 of the video with its analysis drawn on it; times stay as they are, sound is left out.

    Args:
        video: the file that was analysed.
        analysis: the analysis of the video, with boxes in pixels of the upright frame.
        target: the file to write.

    Raises:
        BadMedia: the video cannot be decoded.
        OSError: the video cannot be read, or the target not written.
    """
    with open_video(video, _LIMITS, OWN_FILES) as source, av.open(str(target), "w") as film:
        filmed_width, _ = source.upright.frame_size
        stream = None
        for shown in source.read(0.0, None):
            picture = source.upright(shown.frame)
            if stream is None:
                stream = film.add_stream("libx264", rate=Fraction(1 / source.frame_s).limit_denominator(1000))
                stream.height, stream.width = (side // 2 * 2 for side in picture.shape[:2])
                stream.pix_fmt, stream.time_base = "yuv420p", _TICK
            drawn = np.ascontiguousarray(picture[: stream.height, : stream.width])
            for face in analysis.faces or []:
                _draw(drawn, face, shown.time_s, picture.shape[1] / filmed_width)
            frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
            frame.pts, frame.time_base = round(shown.time_s / _TICK), _TICK
            film.mux(stream.encode(frame))
        if stream is not None:
            film.mux(stream.encode(None))


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


def _draw(picture: Picture, face: Face, time_s: float, scale: float) -> None:
    box = box_at(face.path, time_s)
    if box is None:
        return
    left, top, width, height = (round(value * scale) for value in box)
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
