"""Linear heads on the embedding, or on all tokens for side tasks and with `Size.heads_by_place`.

A head's `forward` returns the input of the task's loss; `read` converts it to a bundle's output:

    task                    forward                           read
    expression              logits (B, labels)                probabilities (B, labels)
    dimensions              values (B, dimensions)            the same
    dimensions, in levels   logits (B, dimensions, levels)    values (B, dimensions): the levels' mean
    personality             values (B, traits)                the same
    units, landmarks        values (B, columns)               the same

Values are in their range, which a bundle guarantees: through a tanh (dimensions) or sigmoid (traits), both optional in
the paper, or, in an imported checkpoint without either, because `read` clips them.

B clips, D input features: the encoder's width, or T/4·P times as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mien.contract.bundle import DimensionsTask, ExpressionTask, PersonalityTask
from model.tasks.learnt import SideTask
from model.tasks.levels import level_values

Activation = Literal["tanh", "sigmoid", "none"]

START_STD = 0.02
START_SCALE = 0.001


class Head(nn.Linear):
    """Linear layer (B, D) → (B, columns), initialised close to zero."""

    def __init__(self, width: int, columns: int) -> None:
        super().__init__(width, columns)
        nn.init.normal_(self.weight, std=START_STD)
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.weight.mul_(START_SCALE)

    def read(self, output: Tensor) -> Tensor:
        """Convert the output of `forward` to a bundle's output, (B, columns)."""
        return output

    def centre(self, mean: Tensor, variance: Tensor) -> None:
        """Start from the labels' mean and variance, (columns,) each; heads of fixed ranges ignore them."""


class ExpressionHead(Head):
    """Predict one logit for each label.

    Attributes:
        labels: the task's.
        temperature: divides the logits before the softmax; 1 in training.
    """

    temperature = 1.0

    def __init__(self, task: ExpressionTask, width: int) -> None:
        super().__init__(width, len(task.names))
        self.labels = task.labels

    def read(self, output: Tensor) -> Tensor:
        """Convert logits (B, labels) to probabilities (B, labels)."""
        return (output / self.temperature).softmax(dim=-1)

    def shift(self, offsets: Tensor) -> None:
        """Add offsets, (labels,), to the logarithms of the probabilities, before these are made to add up to 1.

        With offsets chosen in validation it is the logit adjustment after training of Menon et al., "Long-tail learning
        via logit adjustment", ICLR 2021.
        """
        with torch.no_grad():
            self.bias.add_(offsets, alpha=self.temperature)


class RegressionHead(Head):
    """Predict one value for each column, in its range.

    Args:
        width: number of input features.
        ranges: the lowest and highest value of each column.
        activation: the function that maps the linear layer's output to the range; `none` for the identity.
    """

    low: Tensor
    high: Tensor

    def __init__(self, width: int, ranges: Sequence[tuple[float, float]], activation: Activation) -> None:
        super().__init__(width, len(ranges))
        low, high = torch.tensor(ranges, dtype=torch.float32).unbind(dim=1)
        self.activation = activation
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("high", high, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return (B, columns)."""
        output = super().forward(embedding)
        match self.activation:
            case "tanh":
                return (self.low + self.high) / 2 + (self.high - self.low) / 2 * output.tanh()
            case "sigmoid":
                return self.low + (self.high - self.low) * output.sigmoid()
            case "none":
                return output

    def read(self, output: Tensor) -> Tensor:
        """Clip values (B, columns) to their range where no activation keeps them in it."""
        return output.clamp(self.low, self.high) if self.activation == "none" else output


class LevelsHead(Head):
    """Predict one logit for each level of each dimension; the levels are evenly spaced over its range."""

    values: Tensor
    """The values of the levels, (dimensions, levels)."""

    def __init__(self, task: DimensionsTask, width: int) -> None:
        values = level_values(task)
        super().__init__(width, values.numel())
        self.register_buffer("values", values, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits (B, dimensions, levels)."""
        return (
            super().forward(embedding).view(-1, *self.values.shape)
        )  # (B, dimensions·levels) → (B, dimensions, levels)

    def read(self, output: Tensor) -> Tensor:
        """Convert logits (B, dimensions, levels) to expected values (B, dimensions)."""
        return (output.softmax(dim=-1) * self.values).sum(dim=-1)


class SideHead(Head):
    """Predict the values of a side task from the tokens of all places instead of their mean.

    The mean discards positions, and an encoder trained from random weights then collapses to one output (measured: at
    a learning rate of 2e-4 and a batch of 32, the embeddings of different clips became equal within 150 steps; with
    this head, they stay distinct).

    Args:
        task: the side task.
        width: number of input features, T/4·P·D.
    """

    mean: Tensor
    spread: Tensor
    """The standard deviation; checkpoints use this name."""

    def __init__(self, task: SideTask, width: int) -> None:
        columns = len(task.names)
        super().__init__(width, columns)
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("spread", torch.ones(columns))

    def centre(self, mean: Tensor, variance: Tensor) -> None:
        """Set the outputs' mean and variance, (columns,) each, to those of the labels."""
        self.mean.copy_(mean)
        self.spread.copy_(variance.sqrt())

    def forward(self, places: Tensor) -> Tensor:
        """Return (B, columns) for the tokens of all places, (B, T/4·P·D)."""
        return self.mean + self.spread * super().forward(places)


def dimensions_head(task: DimensionsTask, width: int) -> RegressionHead:
    """Return a head that ends in a tanh over each dimension's range."""
    return RegressionHead(width, list(task.ranges.values()), "tanh")


def personality_head(task: PersonalityTask, width: int) -> RegressionHead:
    """Return a head that ends in a sigmoid."""
    return RegressionHead(width, list(task.ranges.values()), "sigmoid")
