"""Turn the labels of rows into tensors for training and evaluation.

All are float32 (N, columns) in the task's order, NaN where a row has none:

expression                                  probabilities that sum to 1: 1 for the row's label, or its votes' shares
dimensions, personality, units, landmarks   values
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from model.data.prepared import CLIPS_FILE, ClipRow
from model.errors import ModelError
from model.tasks.kinds import kind_of
from model.tasks.learnt import LearntTask

_CASTING_VOTE = 1e-3
"""Added to the votes of a row's own expression, so that it wins a tie."""


def label_columns(rows: Sequence[ClipRow], tasks: Sequence[LearntTask]) -> dict[str, Tensor]:
    """Return the labels of all rows for each task, by the task's kind.

    Raises:
        ModelError: a row's expression is not one of the task's labels, or its text has another number of columns.
    """
    return {task.kind: _column(rows, task) for task in tasks}


def _column(rows: Sequence[ClipRow], task: LearntTask) -> Tensor:
    read = _READERS[kind_of(task).cells]
    values = [read(row, task) for row in rows]
    return torch.tensor(values, dtype=torch.float32).view(len(rows), len(task.names))


def _shares(row: ClipRow, task: LearntTask) -> list[float]:
    if row.votes is not None:
        votes = _split(row, "votes", row.votes, len(task.names))
        if row.expression in task.names:
            votes[task.names.index(row.expression)] += _CASTING_VOTE
        return [vote / sum(votes) for vote in votes]
    if row.expression is None:
        return [math.nan] * len(task.names)
    if row.expression not in task.names:
        known = ", ".join(task.names)
        raise ModelError(f"{CLIPS_FILE}: clip {row.id} has the expression {row.expression}; expected one of {known}.")
    return [float(label == row.expression) for label in task.names]


def _numbers(row: ClipRow, task: LearntTask) -> list[float]:
    return [math.nan if (value := getattr(row, name)) is None else value for name in task.names]


def _text(row: ClipRow, task: LearntTask) -> list[float]:
    return _split(row, task.kind, getattr(row, task.kind), len(task.names))


def _split(row: ClipRow, name: str, text: str | None, count: int) -> list[float]:
    if text is None:
        return [math.nan] * count
    found = [float(value) for value in text.split()]
    if len(found) != count:
        raise ModelError(f"{CLIPS_FILE}: clip {row.id} has {len(found)} {name}; expected {count}.")
    return found


_READERS = {"class": _shares, "numbers": _numbers, "text": _text}
"""The function that reads a row's label, by `Kind.cells`."""
