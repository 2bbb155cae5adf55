"""What training does with each kind of task: one row a kind.

A new kind needs its task in `model.tasks.learnt`, a row here, and columns for its labels in `model.data.prepared`; to
be served, also its task in `mien.contract.bundle` and a row in `service.worker.scores`.

B clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from mien.contract.bundle import DimensionsTask
from model.tasks.heads import ExpressionHead, Head, LevelsHead, SideHead, dimensions_head, personality_head
from model.tasks.learnt import LearntKind, LearntTask
from model.tasks.losses import (
    expression_loss,
    labels_as_targets,
    levels_loss,
    levels_targets,
    regression_loss,
    smoothed,
)
from model.tasks.metrics import accuracy_metrics, error_metrics, expression_metrics, levels_metrics


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    Attributes:
        title: what its outputs are, for people.
        cells: how a row of `clips.csv` holds a label (`model.data.labels`): as one class, as a number under each of the
            task's names, or as one text of numbers.
        head: returns the head of a task for a number of input features.
        targets: turns labels (B, columns) into the targets of the loss; takes the task, the labels, label smoothing.
        loss: returns the loss of a head's outputs; takes the outputs, the targets, and perhaps the labels' variances.
        measure: returns the metrics of a task by name; takes the task, a bundle's outputs and labels, (B, columns).
        main_metric: the metric that models are compared by, as in the paper.
        own_ranges: whether each column has a range of its own.
        by_place: whether its head reads the tokens of all places whatever the model's size.
    """

    title: str
    cells: Literal["class", "numbers", "text"]
    head: Callable[[Any, int], Head]
    targets: Callable[[Any, Tensor, float], Tensor]
    loss: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    measure: Callable[[Any, Tensor, Tensor], dict[str, float]]
    main_metric: str
    own_ranges: bool = False
    by_place: bool = False

    @property
    def classifies(self) -> bool:
        """Whether labels and outputs are probabilities of classes, and not values."""
        return self.cells == "class"


_SIDE = Kind(
    title="Side targets",
    cells="text",
    head=SideHead,
    targets=labels_as_targets,
    loss=regression_loss,
    measure=error_metrics,
    main_metric="CCC",
    by_place=True,
)

KINDS: dict[LearntKind, Kind] = {
    "expression": Kind(
        title="Expression, as probabilities",
        cells="class",
        head=ExpressionHead,
        targets=smoothed,
        loss=expression_loss,
        measure=expression_metrics,
        main_metric="UAR",
    ),
    "dimensions": Kind(
        title="Affective dimensions",
        cells="numbers",
        head=dimensions_head,
        targets=labels_as_targets,
        loss=regression_loss,
        measure=error_metrics,
        main_metric="CCC",
        own_ranges=True,
    ),
    "personality": Kind(
        title="Apparent personality, in [0, 1]",
        cells="numbers",
        head=personality_head,
        targets=labels_as_targets,
        loss=regression_loss,
        measure=accuracy_metrics,
        main_metric="accuracy",
    ),
    "units": _SIDE,
    "landmarks": _SIDE,
}

_LEVELS = replace(
    KINDS["dimensions"], head=LevelsHead, targets=levels_targets, loss=levels_loss, measure=levels_metrics
)


def kind_of(task: LearntTask) -> Kind:
    """Return a task's row; dimensions that are trained in levels have one of their own."""
    return _LEVELS if isinstance(task, DimensionsTask) and task.levels else KINDS[task.kind]
