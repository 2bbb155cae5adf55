"""Summarise an analysis as an HTML fragment: a table of its faces and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import fmean, pstdev

from mien.client.charts import legend_html, timeline_svg
from mien.client.segments import segments, shares
from mien.contract.results import DIMENSIONS, Analysis, Face

_MOST_LABELS = 3


def summary_html(analysis: Analysis, *, width: int = 720) -> str:
    """Return the facts, warnings, faces and chart of an analysis; all texts are escaped."""
    parts = [f"<p>{escape(_facts(analysis))}</p>"]
    parts += [f"<p>⚠ {escape(warning)}</p>" for warning in analysis.warnings]
    if analysis.error is not None:
        parts.append(f"<p>⚠ {escape(analysis.error.detail)}</p>")
    if analysis.faces:
        parts += [_table(analysis.faces), timeline_svg(analysis, width=width), legend_html(analysis.faces)]
    return "".join(parts)


def _facts(analysis: Analysis) -> str:
    facts = [analysis.state.value]
    if (video := analysis.video) is not None:
        facts += [f"{video.duration_s:.1f} s", f"{video.width}×{video.height}"]
    if analysis.faces is not None:
        facts.append("1 face" if len(analysis.faces) == 1 else f"{len(analysis.faces)} faces")
    facts += [f"{model.name} {model.version}" for model in analysis.models or []]
    return " · ".join(facts)


def _table(faces: Sequence[Face]) -> str:
    columns = [_column(face) for face in faces]
    names = dict.fromkeys(name for column in columns for name in column)
    head = "".join(f'<th scope="col">Person {face.track + 1}</th>' for face in faces)
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
        + "".join(f'<td style="text-align:left">{escape(column.get(name, ""))}</td>' for column in columns)
        + "</tr>"
        for name in names
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _column(face: Face) -> dict[str, str]:
    lines = {"seen": f"{face.start_s:.1f}–{face.end_s:.1f} s, {face.coverage:.0%} of the video"}
    if common := list(shares(face).items())[:_MOST_LABELS]:
        lines["expressions, share of time"] = ", ".join(f"{label} {share:.0%}" for label, share in common)
    for name in DIMENSIONS:
        if line := _dimension(face, name):
            lines[f"{name}, mean ± deviation"] = line
    return lines | {f"{name} (impression)": f"{value:.2f}" for name, value in (face.personality or {}).items()}


def _dimension(face: Face, name: str) -> str:
    points = [
        (value, (start_s + end_s) / 2)
        for start_s, end_s, window in segments(face.timeline)
        if (value := getattr(window, name)) is not None
    ]
    if not points:
        return ""
    values = [value for value, _ in points]
    (low, low_s), (high, high_s) = min(points), max(points)
    return (
        f"{fmean(values):+.2f} ± {pstdev(values):.2f}, lowest {low:+.2f} at {low_s:.1f} s, "
        f"highest {high:+.2f} at {high_s:.1f} s"
    )
