"""Read videos without label files of a dataset's own: VoxCeleb2, any folder, a user's labels.csv.

VoxCeleb2  dev/mp4/id00012/21Uxsk56VDQ/00001.mp4 (person, video, utterance); in some copies, without dev
folder     video files at any depth
csv        labels.csv with a header: path of a video or picture (relative to the root) and any of expression, valence,
           arousal, dominance (−1 to 1), openness, conscientiousness, extraversion, agreeableness, neuroticism (0 to 1),
           subject, part, groups (`skin=dark age=older`); an empty cell is an absent label; without a column part, all
           rows are for training
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask, Task
from model.data.dataset import ClipProblem, PublishedDataset, row_or_problem
from model.data.layouts import tables
from model.data.prepared import ClipRow
from model.data.vocabulary import EXPRESSIONS, TRAITS
from model.errors import ModelError

_DIMENSIONS = (Dimension(name="valence"), Dimension(name="arousal"), Dimension(name="dominance"))
_RANGES = {d.name: (d.minimum, d.maximum) for d in _DIMENSIONS} | dict.fromkeys(TRAITS, (0.0, 1.0))
LABELS = tuple(_RANGES)
_FIXED = ("train", "validation", "test")


def read_voxceleb2(root: Path, _dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read VoxCeleb2's videos."""
    people = tables.folder(root, "dev/mp4", "mp4")
    for path in tables.videos(people):
        clip = path.relative_to(people).with_suffix("")
        yield ClipRow(id=clip.as_posix(), media=str(path), subject=clip.parts[0], part="train")


def read_folder(root: Path, _dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read a folder of videos."""
    for path in tables.videos(root):
        yield ClipRow(id=path.relative_to(root).as_posix(), media=str(path), part="train")


def read_csv(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read a table of videos and pictures with labels.

    Raises:
        ModelError: the table cannot be read, or has a column of another spelling than the one looked for.
    """
    table, columns = root / "labels.csv", dataset.columns
    _check_header(table, columns)
    optional = [header for name, header in columns.items() if name != "path"]

    def row(place: str, cells: Mapping[str, str]) -> ClipRow | ClipProblem:
        path = root / cells[columns["path"]]
        texts = {name: cells[header] for name, header in columns.items() if name != "path" and cells[header]}
        values = {name: tables.number(texts.pop(name), place, *_RANGES[name]) for name in _RANGES if name in texts}
        clip = os.path.relpath(path, root)  # the same for a/b.mp4, ./a/b.mp4 and the absolute path
        if path.is_file():
            return ClipRow.model_validate({"id": clip, "media": str(path), "part": "train", **texts, **values})
        return ClipProblem(clip, f"{place}: the file {path} is missing.")

    for found in tables.named(table, (columns["path"],), optional):
        yield found if isinstance(found, ClipProblem) else row_or_problem(found[0], partial(row, *found))


def _check_header(table: Path, columns: Mapping[str, str]) -> None:
    """Refuse a table without a column that the user named, or with one in another case, which would be ignored."""
    header = tables.header_of(table)
    for name, column in columns.items():
        alike = [found for found in header if found.lower() == column.lower()]
        if column in header or (name == column and not alike):
            continue
        if alike:
            raise ModelError(
                f"{table} has the column {alike[0]!r}: call it {column!r}, or give --column {name}={alike[0]}."
            )
        raise ModelError(f"{table} has no column {column!r} for {name}; its columns are: {', '.join(header)}.")


def settle_csv(dataset: PublishedDataset, rows: Sequence[ClipRow]) -> PublishedDataset:
    """Return the dataset with the tasks and parts of the table's rows.

    The expressions are in the order of `EXPRESSIONS`, then others alphabetically. Parts other than train, validation
    and test are folds.

    Raises:
        ModelError: the table has a single expression, from which no model can learn.
    """
    present = {name for name in (*_RANGES, "expression") if any(getattr(row, name) is not None for row in rows)}
    tasks: list[Task] = []
    if "expression" in present:
        found = {row.expression for row in rows if row.expression is not None}
        labels = [name for name in EXPRESSIONS if name in found] + sorted(found.difference(EXPRESSIONS))
        if len(labels) < 2:
            raise ModelError(f"labels.csv has only the expression {labels[0]!r}; expected at least two.")
        tasks.append(ExpressionTask(labels=tuple(labels)))
    if dimensions := tuple(dimension for dimension in _DIMENSIONS if dimension.name in present):
        tasks.append(DimensionsTask(dimensions=dimensions))
    if traits := tuple(trait for trait in TRAITS if trait in present):
        tasks.append(PersonalityTask(traits=traits))
    named = {row.part for row in rows}
    if named <= set(_FIXED):
        return replace(dataset, tasks=tuple(tasks), parts=tuple(part for part in _FIXED if part in named))
    return replace(dataset, tasks=tuple(tasks), protocol="folds", parts=tuple(sorted(named)))
