"""Charts of an analysis as SVG, for notebooks and reports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from mien.client.segments import UNCERTAIN, dominant, segments
from mien.contract.results import Analysis, Face, Window

# Okabe and Ito's palette, which people with deuteranopia and protanopia tell apart.
COLOURS = {
    "neutral": "#999999",
    "happiness": "#e69f00",
    "sadness": "#56b4e9",
    "surprise": "#f0e442",
    "fear": "#0072b2",
    "anger": "#d55e00",
    "disgust": "#009e73",
    "contempt": "#cc79a7",
}
_OTHER_COLOURS = tuple(COLOURS.values())
_UNCERTAIN_COLOUR = "#dddddd"
LINES = {"valence": ("#0072b2", ""), "arousal": ("#d55e00", "6 3"), "dominance": ("#009e73", "2 2")}
"""Colour and dashes of each line, so that it is not the colour alone that tells them apart."""

_LEFT, _RIGHT, _STRIP, _PLOT, _GAP = 64, 12, 16, 64, 18  # pixels
_TICKS = 8


def colour_of(label: str) -> str:
    """Return the colour of an expression label, or of none."""
    if label == UNCERTAIN:
        return _UNCERTAIN_COLOUR
    return COLOURS.get(label) or _OTHER_COLOURS[sum(label.encode()) % len(_OTHER_COLOURS)]


def timeline_svg(analysis: Analysis, *, width: int = 720) -> str:
    """Draw each person's expressions as a strip, and valence and arousal as lines below it, on one time axis."""
    faces = analysis.faces or []
    end_s = max([face.end_s for face in faces] + [analysis.video.duration_s if analysis.video else 0.0, 0.001])
    height = len(faces) * (_STRIP + _PLOT + 2 * _GAP) + 24
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'style="max-width:100%;height:auto" font-family="sans-serif" font-size="11" fill="currentColor">'
        "<title>Expressions, valence and arousal over time</title>"
    )
    parts: list[str] = []
    scale = (width - _LEFT - _RIGHT) / end_s
    for number, face in enumerate(faces):
        parts += _person(face, number * (_STRIP + _PLOT + 2 * _GAP), scale, width)
    parts += _axis(end_s, scale, height)
    return "".join([head, *parts, "</svg>"])


def legend_html(faces: Iterable[Face]) -> str:
    """Return the legend of the charts: the expressions that occur, and the lines."""
    labels = dict.fromkeys(dominant(w.expression) for face in faces for w in face.timeline if w.expression is not None)
    swatch = '<span style="display:inline-block;width:.8em;height:.8em;background:{}"></span> {}'
    line = (
        '<svg width="26" height="8" aria-hidden="true"><path d="M1 4H25" stroke="{}" stroke-width="2" '
        'stroke-dasharray="{}"/></svg> {}'
    )
    parts = [swatch.format(colour_of(label), escape(label)) for label in labels]
    parts += [line.format(*style, name) for name, style in LINES.items() if _has(faces, name)]
    return f'<p style="margin:.3em 0">{" &nbsp; ".join(parts)}</p>'


def _has(faces: Iterable[Face], name: str) -> bool:
    return any(getattr(face, name) is not None for face in faces)


def _person(face: Face, top: float, scale: float, width: int) -> Iterator[str]:
    yield f'<text x="0" y="{top + _STRIP - 4}">Person {face.track + 1}</text>'
    for start_s, end_s, window in segments(face.timeline):
        if window.expression is not None:
            label = dominant(window.expression)
            probability = window.expression.scores[window.expression.label]
            what = f"{start_s:.1f}–{end_s:.1f} s: {label} {probability:.0%}"
            yield (
                f'<rect x="{_LEFT + start_s * scale:.1f}" y="{top}" width="{max(0.5, (end_s - start_s) * scale):.1f}" '
                f'height="{_STRIP}" fill="{colour_of(label)}" shape-rendering="crispEdges">'
                f"<title>{escape(what)}</title></rect>"
            )
    low = top + _STRIP + _GAP / 2
    for value, named in ((1, "+1"), (0, "0"), (-1, "−1")):
        y = low + (1 - value) * _PLOT / 2
        yield (
            f'<path d="M{_LEFT} {y}H{width - _RIGHT}" stroke="currentColor" opacity=".2"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end" opacity=".7">{named}</text>'
        )
    for name, (colour, dashes) in LINES.items():
        for points in _unbroken(face.timeline, name):
            path = "".join(
                f"{'L' if place else 'M'}{_LEFT + time_s * scale:.1f} {low + (1 - value) * _PLOT / 2:.1f}"
                for place, (time_s, value) in enumerate(points)
            )
            yield (
                f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}" '
                f'stroke-linecap="round"><title>{name}</title></path>'
            )


def _unbroken(timeline: Sequence[Window], name: str) -> Iterator[list[tuple[float, float]]]:
    """Yield the points (time, value) of a dimension, broken where the face was away.

    They are in the middle of the windows, and at the start of the first and the end of the last: a window alone is a
    line, too.
    """
    run: list[tuple[Window, float]] = []
    for window in timeline:
        value = getattr(window, name)
        if run and (value is None or window.start_s > run[-1][0].end_s):
            yield _points(run)
            run = []
        if value is not None:
            run.append((window, value))
    if run:
        yield _points(run)


def _points(run: Sequence[tuple[Window, float]]) -> list[tuple[float, float]]:
    middles = [((window.start_s + window.end_s) / 2, value) for window, value in run]
    (first, at_first), (last, at_last) = run[0], run[-1]
    return [(first.start_s, at_first), *middles, (last.end_s, at_last)]


def _axis(end_s: float, scale: float, height: int) -> Iterator[str]:
    step = 10 ** math.floor(math.log10(end_s / _TICKS))
    step = next(step * factor for factor in (1, 2, 5, 10) if end_s / (step * factor) <= _TICKS)
    for number in range(int(end_s / step) + 1):
        x = _LEFT + number * step * scale
        yield f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle" opacity=".7">{number * step:g} s</text>'
