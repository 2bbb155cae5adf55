"""Convert model outputs to scores of results: one row for each kind of task.

Probabilities and traits are in [0, 1]. Dimensions are rescaled from their range in the manifest to [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import ExpressionTask, Task, TaskKind
from mien.contract.results import Expression

_DIGITS = 4

Values = NDArray[np.float32]


def share(value: float) -> float:
    """Round a value in [0, 1]; a float32 sigmoid or mean may leave the range by the last bit."""
    return round(min(max(value, 0.0), 1.0), _DIGITS)


def _by_name(task: Task, values: Values) -> dict[str, float]:
    return {name: share(float(value)) for name, value in zip(task.names, values, strict=True)}


def _expression(task: ExpressionTask, values: Values) -> dict[str, Expression]:
    found = Expression(label=task.labels[int(np.argmax(values))], scores=_by_name(task, values))
    return {"expression": found}


def _dimensions(task: Task, values: Values) -> dict[str, float]:
    found: dict[str, float] = {}
    for (name, (low, high)), value in zip(task.ranges.items(), values, strict=True):
        found[name] = round(min(max(2 * (float(value) - low) / (high - low) - 1, -1.0), 1.0), _DIGITS)
    return found


def _personality(task: Task, values: Values) -> dict[str, dict[str, float]]:
    return {"personality": _by_name(task, values)}


@dataclass(frozen=True)
class _Kind:
    """What a kind of task adds to results: `fields` turns a task and its output into fields of a window or a face."""

    fields: Callable[[Any, Values], Mapping[str, Any]]
    in_windows: bool = True


KINDS: dict[TaskKind, _Kind] = {
    "expression": _Kind(_expression),
    "dimensions": _Kind(_dimensions),
    "personality": _Kind(_personality, in_windows=False),
}


def window_scores(tasks: Iterable[Task], outputs: Mapping[str, Values]) -> dict[str, Any]:
    """Return the fields of a `Window` that the outputs of one clip determine."""
    return scores([task for task in tasks if KINDS[task.kind].in_windows], outputs)


def scores(tasks: Iterable[Task], outputs: Mapping[str, Values]) -> dict[str, Any]:
    """Return the fields of a `Face` that the mean outputs determine; tasks without an output add none."""
    found: dict[str, Any] = {}
    for task in tasks:
        if task.kind in outputs:
            found |= KINDS[task.kind].fields(task, outputs[task.kind])
    return found
