"""A timeline as a table: one row a window, for CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TextIO

from mien.contract.results import Analysis

Row = dict[str, str | int | float]


def timeline_rows(analysis: Analysis) -> list[Row]:
    """Return the windows of all faces; the columns of tasks that are not served are left out."""
    rows: list[Row] = []
    for face in analysis.faces or []:
        for window in face.timeline:
            row: Row = {"track": face.track, "start_s": window.start_s, "end_s": window.end_s}
            if window.expression is not None:
                row["expression"] = window.expression.label
                row |= window.expression.scores
            for name in ("valence", "arousal", "dominance", "quality"):
                if (value := getattr(window, name)) is not None:
                    row[name] = value
            rows.append(row)
    return rows


def write_csv(rows: Sequence[Row], file: TextIO, first: Sequence[str] = ("track", "start_s", "end_s")) -> None:
    """Write a header and a line for each row; `first` are the columns that are there even without rows."""
    columns = dict.fromkeys([*first, *(name for row in rows for name in row)])
    writer = csv.DictWriter(file, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
