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


def write_csv(rows: Sequence[Row], file: TextIO) -> None:
    """Write a header and a line for each row."""
    csv_writer(rows, file, ("track", "start_s", "end_s")).writerows(rows)


def csv_writer(rows: Sequence[Row], file: TextIO, first: Sequence[str]) -> csv.DictWriter[str]:
    """Write the header of rows and return what writes rows of these columns; others are left out.

    Args:
        rows: have the columns.
        file: to write to.
        first: columns that are there even without rows, before the others.
    """
    columns = dict.fromkeys([*first, *(name for row in rows for name in row)])
    writer = csv.DictWriter(file, list(columns), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    return writer
