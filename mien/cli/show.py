"""Print analyses on stdout: a table for people, JSON or CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from mien.contract.events import FaceWindow
from mien.contract.results import Analysis, Face
from mien.contract.timeline import Row, csv_writer, timeline_rows

_FIRST_COLUMNS = ("file", "track", "start_s", "end_s")


def print_json(file: Path, analysis: Analysis) -> None:
    """Print an analysis as one line of JSON, with the name of its file."""
    answer = {"file": str(file), **analysis.model_dump(mode="json", exclude_unset=True)}
    typer.echo(json.dumps(answer, separators=(",", ":")))


class CsvTable:
    """The windows of all files on stdout, one a line, each file as soon as it is added.

    The header is printed with the first window, since its columns are what the models give; a file without a face
    gets a note on stderr.
    """

    def __init__(self) -> None:
        self._writer: csv.DictWriter[str] | None = None

    def add(self, file: Path, analysis: Analysis) -> None:
        """Print the windows of a file."""
        rows: list[Row] = [{"file": str(file), **row} for row in timeline_rows(analysis)]
        if not analysis.faces:
            typer.echo(f"{file}: no face was found, so it has no lines in the CSV.", err=True)
        if rows and self._writer is None:
            self._writer = csv_writer(rows, sys.stdout, _FIRST_COLUMNS)
        if rows and self._writer is not None:
            if more := dict.fromkeys(name for row in rows for name in row if name not in self._writer.fieldnames):
                typer.echo(
                    f"{file}: left out of the CSV, as earlier files do not have it: {', '.join(more)}.", err=True
                )
            self._writer.writerows(rows)
            sys.stdout.flush()

    def end(self) -> None:
        """Print the header if no window has come."""
        if self._writer is None:
            csv_writer([], sys.stdout, _FIRST_COLUMNS)


def print_table(file: Path, analysis: Analysis) -> None:
    """Print a column for each track; warnings go to stderr."""
    faces = analysis.faces or []
    video = analysis.video
    title = f"{file.name}: {video.duration_s:.1f} s, {video.width}×{video.height}" if video else file.name
    table = Table("", *(f"track {face.track}" for face in faces), title=title, title_justify="left")
    columns = [_describe(face) for face in faces]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(column.get(name, "") for column in columns))
    Console().print(table if faces else title)
    for warning in analysis.warnings:
        typer.echo(f"{file.name}: {warning}", err=True)


def print_window(window: FaceWindow) -> None:
    """Print a window on one line."""
    parts = [f"{window.start_s:8.2f}–{window.end_s:.2f} s  track {window.track}"]
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
