"""The labels of rows, as training and evaluation take them.

expression               int64 (N,), the index in the task's labels; `ABSENT` where a row has none
dimensions, personality, units, landmarks
                         float32 (N, columns) in the task's order; NaN where a row has none
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from model.data.prepared import CLIPS_FILE, ClipRow
from model.errors import ModelError
from model.levels import ABSENT
from model.tasks import LearntTask, SideTask
from service.contract.bundle import DimensionsTask, ExpressionTask


def label_columns(rows: Sequence[ClipRow], tasks: Sequence[LearntTask]) -> dict[str, Tensor]:
    """Return the labels of all rows for each task, by the task's kind.

    Raises:
        ModelError: a row's expression is none of the task's labels.
    """
    return {task.kind: _column(rows, task) for task in tasks}


def _column(rows: Sequence[ClipRow], task: LearntTask) -> Tensor:
    if isinstance(task, ExpressionTask):
        numbers = {label: number for number, label in enumerate(task.labels)}
        return torch.tensor([_number(row, numbers) for row in rows], dtype=torch.int64)
    if isinstance(task, SideTask):
        return torch.tensor([_side(row, task) for row in rows]).view(len(rows), len(task.names))
    names = [d.name for d in task.dimensions] if isinstance(task, DimensionsTask) else task.traits
    absent = float("nan")
    values = [[absent if (value := getattr(row, name)) is None else value for name in names] for row in rows]
    return torch.tensor(values, dtype=torch.float32).view(len(rows), len(names))


def _side(row: ClipRow, task: SideTask) -> list[float]:
    text: str | None = getattr(row, task.kind)
    if text is None:
        return [float("nan")] * len(task.names)
    found = [float(value) for value in text.split()]
    if len(found) != len(task.names):
        raise ModelError(f"{CLIPS_FILE}: clip {row.id} has {len(found)} {task.kind}; expected {len(task.names)}.")
    return found


def _number(row: ClipRow, numbers: dict[str, int]) -> int:
    if row.expression is None:
        return ABSENT
    if row.expression not in numbers:
        known = ", ".join(numbers)
        raise ModelError(f"{CLIPS_FILE}: clip {row.id} has the expression {row.expression}; expected one of {known}.")
    return numbers[row.expression]
