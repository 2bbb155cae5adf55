"""Print analyses on stdout: a table for people, JSON or CSV for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from mien.cli.messages import in_flags
from mien.contract.events import NAMES, AnalysisEvent, FaceWindow
from mien.contract.results import DIMENSIONS, Analysis, Face
from mien.contract.timeline import CsvTable, timeline_rows


def json_line(file: Path, analysis: Analysis) -> str:
    """Return an analysis as one line of JSON, with the name of its file."""
    answer = {"file": str(file), **analysis.model_dump(mode="json", exclude_unset=True)}
    return json.dumps(answer, separators=(",", ":"))


def print_json(file: Path, analysis: Analysis) -> None:
    """Print an analysis as one line of JSON, with the name of its file."""
    typer.echo(json_line(file, analysis))


class CsvOutput:
    """The windows of all files on stdout, one a line, each file as soon as it is added."""

    def __init__(self) -> None:
        self._table = CsvTable(sys.stdout, with_files=True)

    def add(self, file: Path, analysis: Analysis) -> None:
        """Print the windows of a file."""
        if not analysis.faces:
            typer.echo(f"{file}: no face was found.", err=True)
        if more := self._table.add(timeline_rows(analysis, str(file))):
            typer.echo(f"{file}: left out of the CSV, as earlier files do not have it: {', '.join(more)}.", err=True)
        sys.stdout.flush()

    def end(self) -> None:
        """Print the header if no window has come."""
        self._table.end()
        sys.stdout.flush()


def print_table(file: Path, analysis: Analysis) -> None:
    """Print a column for each track; warnings go to stderr."""
    faces = analysis.faces or []
    video = analysis.video
    typer.echo(f"{file}: {video.duration_s:.1f} s, {video.width}×{video.height}" if video else file)
    table = Table("", *(person(face.track) for face in faces))
    columns = [_describe(face) for face in faces]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(column.get(name, "") for column in columns))
    if faces:
        Console(markup=False, emoji=False).print(table)  # labels come from the bundle
    for warning in analysis.warnings:
        typer.echo(f"{file}: {in_flags(warning)}", err=True)


def person(track: int) -> str:
    """Return the name under which people know a track."""
    return f"Person {track + 1}"


def print_window(window: FaceWindow) -> None:
    """Print a window on one line."""
    parts = [f"{window.start_s:8.2f}–{window.end_s:.2f} s", person(window.track)]
    if window.expression is not None:
        parts.append(f"{window.expression.label} {window.expression.scores[window.expression.label]:.2f}")
    parts += [f"{name} {value:+.2f}" for name in DIMENSIONS if (value := getattr(window, name)) is not None]
    if window.quality is not None:
        parts.append(f"quality {window.quality:.2f}")
    typer.echo("  ".join(parts))


def event_line(event: AnalysisEvent) -> str:
    """Return an event as one line of JSON, with its name as `event`."""
    return json.dumps({"event": NAMES[type(event)], **event.model_dump(mode="json", exclude_unset=True)})


def _describe(face: Face) -> dict[str, str]:
    lines = {"seen": f"{face.start_s:.1f}–{face.end_s:.1f} s, {face.coverage:.0%} of the video"}
    if face.expression is not None:
        lines["expression"] = f"{face.expression.label} {face.expression.scores[face.expression.label]:.2f}"
        lines["over time"] = _over_time(face)
    for name in DIMENSIONS:
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
