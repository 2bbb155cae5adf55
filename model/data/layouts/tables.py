"""Read tables from text files, line by line: a bad line is reported with its file and line, and the rest is read."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mien.contract.containers import TRUSTED_CONTAINERS
from model.data.dataset import BadRow, ClipProblem
from model.errors import ModelError

_BROKEN = "\ufffd"  # in place of bytes that are not UTF-8
_VIDEO_SUFFIXES = frozenset(suffix for container in TRUSTED_CONTAINERS for suffix in container.suffixes)


def lines(path: Path, count: int, delimiter: str) -> Iterator[tuple[str, list[str]] | ClipProblem]:
    """Yield (place, cells) of a table without a header; the place is its file and line.

    A line without `count` cells, or not in UTF-8, is a problem.

    Raises:
        ModelError: the file cannot be read.
    """
    for found in _cells(path, delimiter):
        if isinstance(found, ClipProblem):
            yield found
            continue
        place, cells = found
        if len(cells) != count:
            yield ClipProblem(place, f"{place}: expected {count} values separated by {delimiter!r}.")
        elif (other := _not_utf8(place, cells)) is not None:
            yield other
        else:
            yield place, [cell.strip() for cell in cells]


def named(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, Mapping[str, str]] | ClipProblem]:
    """Yield (place, header → cell) of a table with a header.

    A row is a problem if it has no value in `columns`, more values than the header has names, or values in another
    encoding than UTF-8.

    Raises:
        ModelError: the file cannot be read, lacks a column of `columns`, or has two of one name.
    """
    rows = _cells(path, ",")
    header = _header(rows)
    for column in (*columns, *optional):
        if header.count(column) > 1:
            raise ModelError(f"{path} has {header.count(column)} columns named {column!r}: rename all but one.")
    for column in columns:
        if column not in header:
            if any(_BROKEN in name for name in header):
                raise ModelError(f"{path} has no column {column!r} and is not UTF-8: save the table as UTF-8.")
            raise ModelError(f"{path} has no column {column!r}; its columns are: {', '.join(header)}.")
    for found in rows:
        if isinstance(found, ClipProblem):
            yield found
            continue
        place, cells = found
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        wanted = {name: row.get(name, "") for name in (*columns, *optional)}
        missing = [column for column in columns if not row.get(column)]
        if any(cell.strip() for cell in cells[len(header) :]):
            reason = f"{place}: it has {len(cells)} values, but the header names {len(header)} columns."
            yield ClipProblem(place, f"{reason} Write decimals with a point, and texts with commas in quotes.")
        elif missing:
            yield ClipProblem(place, f"{place}: the column {missing[0]!r} is empty.")
        elif (other := _not_utf8(place, wanted.values())) is not None:
            yield other
        else:
            yield place, wanted


def number(text: str, place: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Parse a cell's number.

    Raises:
        BadRow: the text is no number, or one outside [low, high].
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or math.isinf(value):
        within = "" if math.isinf(low) else f" from {low:g} to {high:g}"
        raise BadRow(f"{place}: expected a number{within}, not {text!r}.")
    return value


def folder(root: Path, *candidates: str) -> Path:
    """Return the first candidate that is a folder in `root`.

    Raises:
        ModelError: there is none.
    """
    for name in candidates:
        if (root / name).is_dir():
            return root / name
    raise ModelError(f"{root / candidates[0]} is missing: {root} does not have the dataset's published layout.")


def videos(root: Path) -> Iterator[Path]:
    """Yield the video files below a folder, sorted by path."""
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in _VIDEO_SUFFIXES and path.is_file():
            yield path


def header_of(path: Path) -> list[str]:
    """Return the column names of a table.

    Raises:
        ModelError: the file cannot be read.
    """
    return _header(_cells(path, ","))


def _not_utf8(place: str, cells: Iterable[str]) -> ClipProblem | None:
    broken = [cell for cell in cells if _BROKEN in cell]
    return (
        ClipProblem(place, f"{place}: {broken[0].strip()!r} is not UTF-8: save the table as UTF-8.") if broken else None
    )


def _header(rows: Iterator[tuple[str, list[str]] | ClipProblem]) -> list[str]:
    first = next(rows, ("", []))
    return [] if isinstance(first, ClipProblem) else [name.strip() for name in first[1]]


def _cells(path: Path, delimiter: str) -> Iterator[tuple[str, list[str]] | ClipProblem]:
    """Yield (place, cells) of each line that is not blank; a line that cannot be parsed does not affect others."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                place = f"{path}, line {number}"
                try:
                    cells = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
                except csv.Error as error:
                    yield ClipProblem(place, f"{place} is not a row of a table: {error}.")
                    continue
                if any(cell.strip() for cell in cells):
                    yield place, cells
    except OSError as error:
        raise ModelError(f"{path}, a file of the dataset's layout, cannot be read: {error.strerror}.") from error
