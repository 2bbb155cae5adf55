"""Read tables from text files, line by line so that errors can name the line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mien.contract.containers import TRUSTED_CONTAINERS
from model.errors import ModelError

_VIDEO_SUFFIXES = frozenset(suffix for container in TRUSTED_CONTAINERS for suffix in container.suffixes)


def lines(path: Path, count: int, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (place, cells) of a table without a header; the place is its file and line.

    Raises:
        ModelError: the file cannot be read, or a line does not have `count` cells.
    """
    for place, cells in _cells(path, delimiter):
        if len(cells) != count:
            raise ModelError(f"{place}: expected {count} values separated by {delimiter!r}.")
        yield place, [cell.strip() for cell in cells]


def named(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield (place, header → cell) of a table with a header.

    Raises:
        ModelError: the file cannot be read, or lacks a column of `columns` or a value in it.
    """
    rows = _cells(path, ",")
    _, header = next(rows, ("", []))
    header = [name.strip() for name in header]
    for column in columns:
        if column not in header:
            raise ModelError(f"{path} has no column {column!r}; its columns are: {', '.join(header)}.")
    for place, cells in rows:
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        missing = [column for column in columns if not row.get(column)]
        if missing:
            raise ModelError(f"{place}: the column {missing[0]!r} is empty.")
        yield place, {name: row.get(name, "") for name in (*columns, *optional)}


def number(text: str, place: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Parse a cell's number.

    Raises:
        ModelError: the text is no number, or one outside [low, high].
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or math.isinf(value):
        within = "" if math.isinf(low) else f" from {low:g} to {high:g}"
        raise ModelError(f"{place}: expected a number{within}, not {text!r}.")
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


def _cells(path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield f"{path}, line {reader.line_num}", cells
    except OSError as error:
        raise ModelError(f"{path}, a file of the dataset's layout, cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{path} is not a text table: {error}.") from error
