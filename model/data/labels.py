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

from mien.contract.bundle import ExpressionTask
from model.data.prepared import CLIPS_FILE, ClipRow
from model.errors import ModelError
from model.tasks import LearntTask, SideTask, names

_CASTING_VOTE = 1e-3
"""Added to the votes of a row's own expression, so that it wins a tie."""


def label_columns(rows: Sequence[ClipRow], tasks: Sequence[LearntTask]) -> dict[str, Tensor]:
    """Return the labels of all rows for each task, by the task's kind.

    Raises:
        ModelError: a row's expression is none of the task's labels, or its text has another number of columns.
    """
    return {task.kind: _column(rows, task) for task in tasks}


def _column(rows: Sequence[ClipRow], task: LearntTask) -> Tensor:
    columns = names(task)
    if isinstance(task, ExpressionTask):
        values = [_shares(row, task) for row in rows]
    elif isinstance(task, SideTask):
        values = [_numbers(row, task.kind, getattr(row, task.kind), len(columns)) for row in rows]
    else:
        values = [[math.nan if (value := getattr(row, name)) is None else value for name in columns] for row in rows]
    return torch.tensor(values, dtype=torch.float32).view(len(rows), len(columns))


def _shares(row: ClipRow, task: ExpressionTask) -> list[float]:
    if row.votes is not None:
        votes = _numbers(row, "votes", row.votes, len(task.labels))
        if row.expression in task.labels:
            votes[task.labels.index(row.expression)] += _CASTING_VOTE
        return [vote / sum(votes) for vote in votes]
    if row.expression is None:
        return [math.nan] * len(task.labels)
    if row.expression not in task.labels:
        known = ", ".join(task.labels)
        raise ModelError(f"{CLIPS_FILE}: clip {row.id} has the expression {row.expression}; expected one of {known}.")
    return [float(label == row.expression) for label in task.labels]


def _numbers(row: ClipRow, name: str, text: str | None, count: int) -> list[float]:
    if text is None:
        return [math.nan] * count
    found = [float(value) for value in text.split()]
    if len(found) != count:
        raise ModelError(f"{CLIPS_FILE}: clip {row.id} has {len(found)} {name}; expected {count}.")
    return found
