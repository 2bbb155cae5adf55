"""Convert timelines to tables: one row per window, for CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TextIO

from mien.contract.results import Analysis

Row = dict[str, str | int | float]


def timeline_rows(analysis: Analysis) -> list[Row]:
    """Return one row for each window of each face, without columns for tasks that are not served."""
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
    """Write a header and then each row."""
    csv_writer(rows, file, ("track", "start_s", "end_s")).writerows(rows)


def csv_writer(rows: Sequence[Row], file: TextIO, first: Sequence[str]) -> csv.DictWriter[str]:
    """Write the header and return a writer for the rows; it ignores values outside the header's columns.

    Args:
        rows: the rows whose keys become the columns.
        file: the file to write to.
        first: the first columns, present even if there are no rows.
    """
    columns = dict.fromkeys([*first, *(name for row in rows for name in row)])
    writer = csv.DictWriter(file, list(columns), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    return writer
