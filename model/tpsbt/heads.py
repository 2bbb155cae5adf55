"""What is read off the embedding: one linear layer for each task.

Expression gives logits, which its loss wants. Dimensions and personality give values in their range: the paper
has the tanh and the sigmoid as an option, here they are always there, for a bundle promises the range.

B clips, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from service.contract.bundle import DimensionsTask, ExpressionTask, PersonalityTask, Task

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


class ExpressionHead(Head):
    """Gives one logit for each label."""

    def __init__(self, width: int, task: ExpressionTask) -> None:
        super().__init__(width, len(task.labels))


class DimensionsHead(Head):
    """Gives one value for each dimension, in that dimension's range."""

    middle: Tensor
    half_range: Tensor

    def __init__(self, width: int, task: DimensionsTask) -> None:
        super().__init__(width, len(task.dimensions))
        low = torch.tensor([dimension.minimum for dimension in task.dimensions])
        high = torch.tensor([dimension.maximum for dimension in task.dimensions])
        self.register_buffer("middle", (low + high) / 2, persistent=False)
        self.register_buffer("half_range", (high - low) / 2, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return (B, dimensions)."""
        return self.middle + self.half_range * super().forward(embedding).tanh()


class PersonalityHead(Head):
    """Gives one score in [0, 1] for each trait."""

    def __init__(self, width: int, task: PersonalityTask) -> None:
        super().__init__(width, len(task.traits))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return (B, traits)."""
        return super().forward(embedding).sigmoid()


def head_for(task: Task, width: int) -> Head:
    """Return a new head for the task."""
    match task:
        case ExpressionTask():
            return ExpressionHead(width, task)
        case DimensionsTask():
            return DimensionsHead(width, task)
        case PersonalityTask():
            return PersonalityHead(width, task)
