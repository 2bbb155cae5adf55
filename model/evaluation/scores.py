"""Scores of clips by the kind of task, and the metrics computed from them.

N clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from mien.contract.bundle import DimensionsTask, Task, TaskKind
from model.data.labels import count_labelled
from model.evaluation.report import Confusion, Scores
from model.tasks.kinds import kind_of
from model.tasks.metrics import confusion, likeliest_levels

LEVELS = "levels of dimensions"
"""Key of the probabilities of a dimension's levels, (N, dimensions·levels), which a bundle does not return."""


@dataclass(frozen=True)
class Scored:
    """Clips with their scores and labels, both by the kind of task.

    `outputs` are (N, columns), the means of the views, and `LEVELS` where they are known; `labels` as
    `model.data.labels` gives them.
    """

    outputs: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]


def measured(tasks: Sequence[Task], scored: Scored) -> Scores:
    """Return the metrics of each task that any clip has a label of."""
    found = {
        task.kind: kind_of(task).measure(task, scored.outputs[task.kind], scored.labels[task.kind]) for task in tasks
    }
    for task in tasks:
        if isinstance(task, DimensionsTask) and LEVELS in scored.outputs:
            found[task.kind] |= likeliest_levels(task, scored.outputs[LEVELS], scored.labels[task.kind])
    return {kind: scores for kind, scores in found.items() if scores}


def labelled(tasks: Sequence[Task], scored: Scored) -> dict[TaskKind, int]:
    """Count the clips that have a label of each task."""
    return {task.kind: count_labelled({task.kind: scored.labels[task.kind]}) for task in tasks}


def confusion_of(tasks: Sequence[Task], scored: Scored) -> Confusion | None:
    """Return the confusion matrix of the task with classes, if there is one."""
    for task in tasks:
        if kind_of(task).classifies:
            counts = confusion(scored.outputs[task.kind], scored.labels[task.kind])
            return Confusion(labels=task.names, counts=tuple(map(tuple, counts.tolist())))
    return None
