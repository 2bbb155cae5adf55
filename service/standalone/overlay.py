"""Draw what an analysis found on pictures, RGB uint8 (H, W, 3): a box and a label for each person, bars, a legend.

Places are (left, top, width, height) in pixels. Text is drawn by a scalable font, never smaller than `_SMALLEST`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mien.contract.results import DIMENSIONS, Analysis, Face, Window
from mien.contract.timeline import box_at

Picture = NDArray[np.uint8]
Place = tuple[int, int, int, int]
Colour = tuple[int, int, int]

_INK, _PAPER = (255, 255, 255), (24, 24, 28)
# Okabe and Ito's palette: the colours tell persons apart, their numbers say who is who.
_PERSONS: tuple[Colour, ...] = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0), (0, 114, 178),
)  # fmt: skip
_SMALLEST, _SHARE = 12, 1 / 32  # pixels; of the picture's shorter side
_MOST_LEGEND = 0.2  # of the picture's height: a legend that takes more is left out
_BOX = "Box: a face."
_LEGEND = {
    "expression": "Bars, where there is room: how probable each expression is.",
    "valence": "Valence: unpleasant -1 to pleasant +1.",
    "arousal": "Arousal: calm -1 to excited +1.",
    "dominance": "Dominance: controlled -1 to in control +1.",
}
"""What a score is, as it is drawn."""


def draw(picture: Picture, analysis: Analysis, time_s: float) -> None:
    """Draw the faces that are seen at a time, and the legend, on a picture."""
    size = max(_SMALLEST, round(_SHARE * min(picture.shape[:2])))
    legend = _legend(_explained(analysis), picture.shape[1], size)
    taken: list[Place] = []
    if len(legend) <= _MOST_LEGEND * len(picture):
        taken.append(_paste(picture, legend, (0, len(picture) - len(legend))))
    seen = [
        (face, window_at(face.timeline, time_s), box)
        for face in analysis.faces or []
        if (box := _box_at(face, time_s)) is not None
    ]
    thick = max(2, size // 8)
    for face, _, (left, top, width, height) in seen:
        for colour, breadth in ((_PAPER, thick + 2), (_colour(face), thick)):
            cv2.rectangle(picture, (left, top), (left + width, top + height), colour, breadth, cv2.LINE_AA)
    for face, window, box in seen:  # after all boxes, for labels lie above these
        others = [other for one, _, other in seen if one is not face]
        taken.append(_put_label(picture, face, window, box, size, taken + others))
    boxes = [box for _, _, box in seen]
    for face, window, box in seen:
        if (bars := _bars_of(face, window, size)) is not None:
            taken += _put_bars(picture, bars, box, taken + boxes)


def window_at(timeline: Sequence[Window], time_s: float) -> Window | None:
    """Return the window that contains a time and whose middle is nearest to it, if any."""
    within = [window for window in timeline if window.start_s <= time_s <= window.end_s]
    return min(within, key=lambda window: abs(window.start_s + window.end_s - 2 * time_s), default=None)


def _box_at(face: Face, time_s: float) -> Place | None:
    if (box := box_at(face.path, time_s)) is None:
        return None
    left, top, width, height = map(round, box)
    return left, top, width, height


def _colour(face: Face) -> Colour:
    return _PERSONS[face.track % len(_PERSONS)]


def _explained(analysis: Analysis) -> tuple[str, ...]:
    faces = analysis.faces or []
    return _BOX, *(text for name, text in _LEGEND.items() if any(getattr(face, name) is not None for face in faces))


def _put_label(  # noqa: PLR0917 - all of one place
    picture: Picture, face: Face, window: Window | None, box: Place, size: int, taken: Sequence[Place]
) -> Place:
    """Put a person's label above the box, below or within it, shortened where there is no room; return its place."""
    left, top, _, height = box
    lines = _lines(face, window)
    shorter = [lines[:1], [f"Person {face.track + 1}"]]
    for number, text in enumerate([lines, *shorter]):
        label = _label(tuple(text), size, _colour(face))
        rows, columns = label.shape[:2]
        x = max(0, min(left, picture.shape[1] - columns))
        for y in (top - rows - 2, top + height + 3, top)[: 2 + (number == len(shorter))]:
            if _fits(picture, (x, y, columns, rows), taken):
                return _paste(picture, label, (x, y))
    return _paste(picture, label, (x, max(0, min(top, len(picture) - rows))))


def _put_bars(picture: Picture, bars: Picture, box: Place, taken: Sequence[Place]) -> Sequence[Place]:
    """Put a person's bars beside the box; return their place, or none if there is no room."""
    left, top, width, _ = box
    rows, columns = bars.shape[:2]
    for corner in ((left + width + 3, top), (left - columns - 3, top)):
        if _fits(picture, (*corner, columns, rows), taken):
            return [_paste(picture, bars, corner)]
    return []


def _bars_of(face: Face, window: Window | None, size: int) -> Picture | None:
    if window is None or window.expression is None:
        return None
    shares = sorted(window.expression.scores.items(), key=lambda item: -item[1])
    return _bars(tuple((name, round(share, 2)) for name, share in shares), size, _colour(face))


def _lines(face: Face, window: Window | None) -> list[str]:
    name = f"Person {face.track + 1}"
    if window is None:
        return [name]
    if window.expression is not None:
        name += f"  {window.expression.label} {window.expression.scores[window.expression.label]:.0%}"
    dimensions = [
        f"{dimension} {value:+.2f}" for dimension in DIMENSIONS if (value := getattr(window, dimension)) is not None
    ]
    return [name, "  ".join(dimensions)] if dimensions else [name]


def _fits(picture: Picture, place: Place, taken: Sequence[Place]) -> bool:
    left, top, width, height = place
    inside = left >= 0 and top >= 0 and left + width <= picture.shape[1] and top + height <= len(picture)
    return inside and not any(
        left < x + w and x < left + width and top < y + h and y < top + height for x, y, w, h in taken
    )


def _paste(picture: Picture, part: Picture, corner: tuple[int, int]) -> Place:
    """Copy a part into a picture as far as it lies within; return its place."""
    left, top = corner
    room = picture[max(0, top) : top + len(part), max(0, left) : left + part.shape[1]]
    room[:] = part[max(0, -top) :, max(0, -left) :][: room.shape[0], : room.shape[1]]
    return left, top, part.shape[1], part.shape[0]


@lru_cache(maxsize=512)
def _label(lines: tuple[str, ...], size: int, colour: Colour) -> Picture:
    """Draw lines of text on a panel with a coloured edge, (H, W, 3)."""
    font = _font(size)
    step, edge = _step(size), max(3, size // 4)
    width = edge + round(max(font.getlength(line) for line in lines)) + size
    panel = Image.new("RGB", (width, step * len(lines) + size // 4), _PAPER)
    pen = ImageDraw.Draw(panel)
    pen.rectangle((0, 0, edge - 1, panel.height), colour)
    for number, line in enumerate(lines):
        pen.text((edge + size // 2, size // 8 + number * step), line, _INK, font)
    return np.asarray(panel)


@lru_cache(maxsize=512)
def _bars(shares: tuple[tuple[str, float], ...], size: int, colour: Colour) -> Picture:
    """Draw a bar for each expression, the longest first, on a panel, (H, W, 3)."""
    font = _font(size)
    step, longest = _step(size), 3 * size
    names = round(max(font.getlength(name) for name, _ in shares)) + size
    panel = Image.new("RGB", (names + longest + size // 2, step * len(shares) + size // 4), _PAPER)
    pen = ImageDraw.Draw(panel)
    for number, (name, share) in enumerate(shares):
        top = size // 8 + number * step
        pen.text((size // 2, top), name, _INK, font)
        pen.rectangle((names, top + step // 4, names + max(1, round(share * longest)), top + 3 * step // 4), colour)
    return np.asarray(panel)


@lru_cache(maxsize=8)
def _legend(sentences: tuple[str, ...], width: int, size: int) -> Picture:
    """Draw sentences on a panel as wide as the picture, (H, W, 3)."""
    font = _font(size)
    lines: list[str] = []
    for sentence in sentences:
        if lines and font.getlength(f"{lines[-1]}  {sentence}") <= width - size:
            lines[-1] += f"  {sentence}"
        else:
            lines.append(sentence)
    step = _step(size)
    panel = Image.new("RGB", (width, step * len(lines) + size // 4), _PAPER)
    pen = ImageDraw.Draw(panel)
    for number, line in enumerate(lines):
        pen.text((size // 2, size // 8 + number * step), line, _INK, font)
    return np.asarray(panel)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own scalable font (Aileron, CC0)."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101 - every wheel of Pillow has FreeType
    return font


def _step(size: int) -> int:
    return round(1.25 * size)
