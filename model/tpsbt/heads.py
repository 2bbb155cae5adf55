"""Heads: one linear layer a task on the embedding, or on all tokens for side tasks and with `Size.heads_by_place`.

A head's `forward` gives what the task's loss wants; `read` turns that into what a bundle promises:

    task                    forward                           read
    expression              logits (B, labels)                probabilities (B, labels)
    dimensions              values (B, dimensions)            the same
    dimensions, in levels   logits (B, dimensions, levels)    values (B, dimensions): the levels' mean
    personality             values (B, traits)                the same
    units, landmarks        values (B, columns)               the same

Values are in their range: the paper has the tanh and the sigmoid as an option, here they are always there, for a
bundle promises the range.

B clips, D the values that a head reads: the width, or T/4·P times as many.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mien.contract.bundle import DimensionsTask, ExpressionTask, PersonalityTask
from model.levels import level_values
from model.tasks import LearntTask, SideTask, names

START_STD = 0.02
START_SCALE = 0.001


class Head(nn.Linear):
    """A linear layer (B, D) → (B, columns) that starts close to zero."""

    def __init__(self, width: int, columns: int) -> None:
        super().__init__(width, columns)
        nn.init.normal_(self.weight, std=START_STD)
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.weight.mul_(START_SCALE)

    def read(self, output: Tensor) -> Tensor:
        """Take what `forward` gives; return what a bundle's output promises, (B, columns)."""
        return output


class ExpressionHead(Head):
    """Gives one logit for each label.

    Attributes:
        temperature: what logits are divided by before they become probabilities; training is at 1.
    """

    temperature = 1.0

    def __init__(self, width: int, task: ExpressionTask) -> None:
        super().__init__(width, len(names(task)))

    def read(self, output: Tensor) -> Tensor:
        """Take logits (B, labels), return probabilities (B, labels)."""
        return (output / self.temperature).softmax(dim=-1)


class DimensionsHead(Head):
    """Gives one value for each dimension, in that dimension's range."""

    middle: Tensor
    half_range: Tensor

    def __init__(self, width: int, task: DimensionsTask) -> None:
        super().__init__(width, len(names(task)))
        low = torch.tensor([dimension.minimum for dimension in task.dimensions])
        high = torch.tensor([dimension.maximum for dimension in task.dimensions])
        self.register_buffer("middle", (low + high) / 2, persistent=False)
        self.register_buffer("half_range", (high - low) / 2, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return (B, dimensions)."""
        return self.middle + self.half_range * super().forward(embedding).tanh()


class LevelsHead(Head):
    """Gives one logit for each level of each dimension; levels lie evenly over a dimension's range, ends included."""

    values: Tensor
    """Of each level, (dimensions, levels)."""

    def __init__(self, width: int, task: DimensionsTask, levels: int) -> None:
        super().__init__(width, len(names(task)) * levels)
        self.register_buffer("values", level_values(task, levels), persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits (B, dimensions, levels)."""
        return super().forward(embedding).view(-1, *self.values.shape)  # (B, dimensions·levels) → as said

    def read(self, output: Tensor) -> Tensor:
        """Take logits (B, dimensions, levels), return their mean values (B, dimensions)."""
        return (output.softmax(dim=-1) * self.values).sum(dim=-1)


class PersonalityHead(Head):
    """Gives one score in [0, 1] for each trait."""

    def __init__(self, width: int, task: PersonalityTask) -> None:
        super().__init__(width, len(names(task)))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return (B, traits)."""
        return super().forward(embedding).sigmoid()


class SideHead(Head):
    """Gives the numbers of a side task, read off all places and not off their mean.

    A mean hides where something is, and an encoder that starts from nothing then finds no way out of giving the same
    output for everything (measured: at a learning rate of 2e-4 embeddings of different clips grew alike within 150
    steps of 32; with this head beside the others they stay apart).

    Args:
        width: of all places' tokens, T/4·P·D.
        task: what is asked.
    """

    mean: Tensor
    spread: Tensor
    """The standard deviation; checkpoints have it by this name."""

    def __init__(self, width: int, task: SideTask) -> None:
        columns = len(names(task))
        super().__init__(width, columns)
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("spread", torch.ones(columns))

    def centre(self, mean: Tensor, variance: Tensor) -> None:
        """Start from the labels' mean and variance, (columns,) each, so that the layer need not learn them."""
        self.mean.copy_(mean)
        self.spread.copy_(variance.sqrt())

    def forward(self, places: Tensor) -> Tensor:
        """Take all places' tokens, (B, T/4·P·D); return (B, columns)."""
        return self.mean + self.spread * super().forward(places)


def head_for(task: LearntTask, width: int) -> Head:
    """Return a new head for the task, which reads so many values."""
    match task:
        case ExpressionTask():
            return ExpressionHead(width, task)
        case DimensionsTask():
            return DimensionsHead(width, task) if task.levels is None else LevelsHead(width, task, task.levels)
        case PersonalityTask():
            return PersonalityHead(width, task)
        case SideTask():
            return SideHead(width, task)
