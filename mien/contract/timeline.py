"""Convert analyses to tables: one row per window of each face. The columns are described in docs/csv.md."""

from __future__ import annotations

import csv
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TextIO

from mien.contract.results import DIMENSIONS, Analysis, Face, PathPoint, Video, Window

Row = dict[str, str | int | float]

WHERE = (
    "track", "person", "start_s", "centre_s", "end_s", "first_frame", "last_frame",
    "box_left", "box_top", "box_width", "box_height", "quality", "note",
)  # fmt: skip
"""The columns before the scores, which every table has; `file` comes before them where there are several files."""

NO_FACE, NO_WINDOW = "no face found", "no window scored"
"""What `note` says in the row of a file without a face, and of a face without a window."""

AWAY_S = 1.0
"""Seconds between two points of a path beyond which the face was not visible in between; the page has the same."""


def timeline_rows(analysis: Analysis, file: str | None = None) -> list[Row]:
    """Return one row for each window of each face, without columns for tasks that are not served.

    An analysis without faces has one row, whose `note` says so; one that has not succeeded has none.

    Args:
        analysis: the analysis.
        file: the name of its video, for the column `file`.
    """
    if analysis.faces is None:
        return []
    rows = [row for face in analysis.faces for row in _face_rows(face, analysis.video)] or [{"note": NO_FACE}]
    return rows if file is None else [{"file": file, **row} for row in rows]


def box_at(path: Sequence[PathPoint], time_s: float) -> tuple[float, float, float, float] | None:
    """Interpolate a face's box (left, top, width, height) at a time; return None while the face is not visible."""
    if not path or not path[0][0] - 0.1 <= time_s <= path[-1][0] + 0.1:
        return None
    after = min(bisect_left(path, time_s, key=itemgetter(0)), len(path) - 1)
    one, other = path[max(0, after - 1)], path[after]
    if time_s >= other[0]:
        return other[1:]
    if other[0] - one[0] > AWAY_S:
        return None
    share = min(1.0, max(0.0, (time_s - one[0]) / (other[0] - one[0]))) if other[0] > one[0] else 0.0
    x, y, w, h = (a + share * (b - a) for a, b in zip(one[1:], other[1:], strict=True))
    return x, y, w, h


class CsvTable:
    """A CSV file to which analyses are added one after another; each row is written as soon as it can be.

    The header comes with the first face, since its columns are what the models score. Rows of videos without a face
    wait for it.

    Args:
        out: where to write.
        with_files: whether there is a column `file`.
        scores: the columns of scores, if they are known.
    """

    def __init__(self, out: TextIO, *, with_files: bool = False, scores: Iterable[str] = ()) -> None:
        self._out = out
        self._first = (("file",) if with_files else ()) + WHERE
        self._writer: csv.DictWriter[str] | None = None
        self._waiting: list[Row] = []
        if known := list(scores):
            self._begin(known)

    def add(self, rows: Iterable[Row]) -> list[str]:
        """Write rows; return the columns that they have and the header has not, which are left out."""
        self._waiting += rows
        scored = {name: None for row in self._waiting for name in row if name not in self._first}
        if self._writer is None and scored:
            self._begin(scored)
        if self._writer is None:
            return []
        self._writer.writerows(self._waiting)
        self._waiting = []
        return [name for name in scored if name not in self._writer.fieldnames]

    def end(self) -> None:
        """Write what waits for the header, and the header if none was written."""
        if self._writer is None:
            self._begin(())
            self.add(())

    def _begin(self, scores: Iterable[str]) -> None:
        self._writer = csv.DictWriter(self._out, [*self._first, *scores], lineterminator="\n", extrasaction="ignore")
        self._writer.writeheader()


def write_csv(faces: Callable[[], Iterable[Face]], video: Video | None, out: TextIO) -> None:
    """Write the windows of an analysis as CSV, face by face. The faces are read twice: first for the columns."""
    table = CsvTable(out, scores=dict.fromkeys(name for face in faces() for name in _columns(face)))
    empty = True
    for face in faces():
        empty = False
        table.add(_face_rows(face, video))
    if empty:
        table.add([{"note": NO_FACE}])
    table.end()


def _columns(face: Face) -> Iterator[str]:
    """Yield the columns of a face's scores, many times, in their order."""
    for window in face.timeline:
        yield from _scores(window)
    yield from face.personality or ()


def _face_rows(face: Face, video: Video | None) -> list[Row]:
    who: Row = {"track": face.track, "person": face.track + 1}
    traits: Row = dict(face.personality or {})
    if not face.timeline:
        return [who | {"start_s": face.start_s, "end_s": face.end_s, "note": NO_WINDOW} | traits]
    return [who | _where(window, face, video) | _scores(window) | traits for window in face.timeline]


def _where(window: Window, face: Face, video: Video | None) -> Row:
    centre_s = round((window.start_s + window.end_s) / 2, 3)
    row: Row = {"start_s": window.start_s, "centre_s": centre_s, "end_s": window.end_s}
    if video is not None and video.fps is not None:
        last = max(video.frames, round(video.duration_s * video.fps)) - 1  # `frames` are those of the analysed part
        first = min(last, math.ceil(round(window.start_s * video.fps, 2)))
        row["first_frame"] = first
        row["last_frame"] = max(first, min(last, math.ceil(round(window.end_s * video.fps, 2)) - 1))
    if (box := box_at(face.path, centre_s)) is not None:
        names = ("box_left", "box_top", "box_width", "box_height")
        row |= dict(zip(names, map(round, box), strict=True))
    if window.quality is not None:
        row["quality"] = window.quality
    return row


def _scores(window: Window) -> Row:
    row: Row = {}
    if window.expression is not None:
        row["expression"] = window.expression.label
        row |= window.expression.scores
    for name in DIMENSIONS:
        if (value := getattr(window, name)) is not None:
            row[name] = value
    return row
