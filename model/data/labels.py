"""Turn the labels of rows into tensors for training and evaluation.

All are float32 (N, columns) in the model's order, NaN where a row has none:

expression                                  probabilities that sum to 1: 1 for the row's label, or its votes' shares
dimensions, personality, units, landmarks   values
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from model.data.prepared import CLIPS_FILE, ClipRow
from model.errors import ModelError
from model.tasks.kinds import kind_of
from model.tasks.learnt import LearntTask

_CASTING_VOTE = 1e-3
"""Added to the votes of a row's own expression, so that it wins a tie."""


def label_columns(
    rows: Sequence[ClipRow], tasks: Sequence[LearntTask], dataset_tasks: Sequence[LearntTask]
) -> dict[str, Tensor]:
    """Return the labels of all rows for each task, by the task's kind.

    Args:
        rows: the dataset's rows.
        tasks: the model's tasks, which set the order of the columns.
        dataset_tasks: the dataset's tasks, in whose order its rows have votes, units and landmarks.

    Raises:
        ModelError: a row's expression, or one that it has votes for, is not one of the task's labels, or its text has
            another number of columns.
    """
    written = {task.kind: task.names for task in dataset_tasks}
    return {task.kind: _column(rows, task, written.get(task.kind, task.names)) for task in tasks}


def count_labelled(labels: Mapping[str, Tensor]) -> int:
    """Count the rows that have a label of any kind."""
    columns = list(labels.values())
    return int((~torch.cat(columns, dim=1).isnan()).any(dim=1).sum()) if columns else 0


def _column(rows: Sequence[ClipRow], task: LearntTask, written: Sequence[str]) -> Tensor:
    read = _READERS[kind_of(task).cells]
    values = [read(row, task, written) for row in rows]
    return torch.tensor(values, dtype=torch.float32).view(len(rows), len(task.names))


def _shares(row: ClipRow, task: LearntTask, written: Sequence[str]) -> list[float]:
    if row.expression is None and row.votes is None:
        return [math.nan] * len(task.names)
    votes = {} if row.votes is None else _split(row, "votes", row.votes, written)
    if row.expression is not None:
        votes[row.expression] = votes.get(row.expression, 0) + _CASTING_VOTE
    for label, count in votes.items():
        if count and label not in task.names:
            what = f"the expression {label}" if label == row.expression else f"votes for the expression {label}"
            known = ", ".join(task.names)
            raise ModelError(f"{CLIPS_FILE}: clip {row.id} has {what}; expected one of {known}.")
    return [votes.get(label, 0) / sum(votes.values()) for label in task.names]


def _numbers(row: ClipRow, task: LearntTask, _written: Sequence[str]) -> list[float]:
    return [math.nan if (value := getattr(row, name)) is None else value for name in task.names]


def _text(row: ClipRow, task: LearntTask, written: Sequence[str]) -> list[float]:
    found = _split(row, task.kind, getattr(row, task.kind), written)
    return [found.get(name, math.nan) for name in task.names]


def _split(row: ClipRow, what: str, text: str | None, names: Sequence[str]) -> dict[str, float]:
    """Return the numbers of a text by name; nothing without a text."""
    if text is None:
        return {}
    found = [float(value) for value in text.split()]
    if len(found) != len(names):
        raise ModelError(f"{CLIPS_FILE}: clip {row.id} has {len(found)} {what}; expected {len(names)}.")
    return dict(zip(names, found, strict=True))


_READERS = {"class": _shares, "numbers": _numbers, "text": _text}
"""The function that reads a row's label, by `Kind.cells`."""
