"""Analyses on stdout: as a table for people, as JSON or CSV for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from mien.contract.events import FaceWindow
from mien.contract.results import Analysis, Face
from mien.contract.timeline import timeline_rows, write_csv


def print_json(file: Path, analysis: Analysis) -> None:
    """Print an analysis on one line, with the file that it is of: with many at once their order tells too little."""
    told = {"file": str(file), **analysis.model_dump(mode="json", exclude_unset=True)}
    typer.echo(json.dumps(told, separators=(",", ":")))


def print_csv(found: Sequence[tuple[Path, Analysis]]) -> None:
    """Print the windows of all, one a line."""
    rows = [{"file": str(file), **row} for file, analysis in found for row in timeline_rows(analysis)]
    write_csv(rows, sys.stdout, ("file", "track", "start_s", "end_s"))


def print_table(file: Path, analysis: Analysis) -> None:
    """Print a column for each face; warnings go to stderr."""
    faces = analysis.faces or []
    video = analysis.video
    title = f"{file.name}: {video.duration_s:.1f} s, {video.width}×{video.height}" if video else file.name
    table = Table("", *(f"face {face.track}" for face in faces), title=title, title_justify="left")
    columns = [_describe(face) for face in faces]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(column.get(name, "") for column in columns))
    Console().print(table if faces else title)
    for warning in analysis.warnings:
        typer.echo(f"{file.name}: {warning}", err=True)


def print_window(window: FaceWindow) -> None:
    """Print a window on one line."""
    parts = [f"{window.start_s:8.2f}–{window.end_s:.2f} s  face {window.track}"]
    if window.expression is not None:
        parts.append(f"{window.expression.label} {window.expression.scores[window.expression.label]:.2f}")
    parts += [
        f"{name} {value:+.2f}"
        for name in ("valence", "arousal", "dominance")
        if (value := getattr(window, name)) is not None
    ]
    if window.quality is not None:
        parts.append(f"quality {window.quality:.2f}")
    typer.echo("  ".join(parts))


def _describe(face: Face) -> dict[str, str]:
    lines = {"seen": f"{face.start_s:.1f}–{face.end_s:.1f} s, {face.coverage:.0%} of the video"}
    if face.expression is not None:
        lines["expression"] = f"{face.expression.label} {face.expression.scores[face.expression.label]:.2f}"
        lines["over time"] = _over_time(face)
    for name in ("valence", "arousal", "dominance"):
        if (value := getattr(face, name)) is not None:
            lines[name] = f"{value:+.2f}"
    return lines | {name: f"{value:.2f}" for name, value in (face.personality or {}).items()}


def _over_time(face: Face) -> str:
    """Return the labels of the timeline with the time at which each begins, repetitions left out."""
    parts: list[str] = []
    label = None
    for window in face.timeline:
        if window.expression is not None and window.expression.label != label:
            label = window.expression.label
            parts.append(f"{window.start_s:.1f} s {label}")
    return ", ".join(parts)
