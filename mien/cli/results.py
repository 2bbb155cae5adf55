"""A folder of results, one file per video, from which a stopped batch resumes."""

from __future__ import annotations

import io
from pathlib import Path

import typer

from mien.cli.atomic import require_writable, write_atomically
from mien.cli.show import json_line
from mien.contract.options import AnalyzeOptions
from mien.contract.results import Analysis
from mien.contract.timeline import CsvTable, timeline_rows

_OPTIONS = ".mien-options.json"


class ResultFolder:
    """JSON or CSV files in `folder`, named after their videos and laid out as these are.

    Raises:
        BadParameter: the folder cannot be written to, or it holds results of other options.
    """

    def __init__(self, folder: Path, options: AnalyzeOptions, *, as_csv: bool) -> None:
        self._folder = folder
        self._suffix = ".csv" if as_csv else ".json"
        self._options = options.model_dump_json(exclude_defaults=True)
        require_writable(folder, "--out", folder=True)
        kept = folder / _OPTIONS
        if kept.exists() and kept.read_text(encoding="utf-8") != self._options:
            raise typer.BadParameter(f"--out: {folder} holds results of other options; choose another folder")

    def result(self, place: Path) -> Path:
        """Return where the result of the video at `place` goes."""
        return self._folder / place.with_name(place.name + self._suffix)

    def has(self, video: Path, place: Path) -> bool:
        """Return whether the result of a video is there and newer than the video."""
        return is_newer(self.result(place), video)

    def write(self, file: Path, place: Path, analysis: Analysis) -> None:
        """Write a result, and with the first one the options; each file appears when it is complete."""
        target = self.result(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (self._folder / _OPTIONS).exists():
            write_atomically(self._folder / _OPTIONS, self._options)
        write_atomically(target, self._content(file, analysis))

    def _content(self, file: Path, analysis: Analysis) -> str:
        if self._suffix == ".json":
            return json_line(file, analysis) + "\n"
        out = io.StringIO()
        table = CsvTable(out, with_files=True)
        table.add(timeline_rows(analysis, str(file)))
        table.end()
        return out.getvalue()


def is_newer(file: Path, video: Path) -> bool:
    """Return whether a file that was made of a video is there and newer than the video."""
    try:
        return file.stat().st_mtime >= video.stat().st_mtime
    except OSError:
        return False
