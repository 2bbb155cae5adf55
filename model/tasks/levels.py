"""Convert between a dimension's values and the levels it is trained on as classes (AVCAffe's 0 … 4).

Levels are evenly spaced over the range, both ends included. B clips.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mien.contract.bundle import DimensionsTask

ABSENT = -100
"""The level of a missing value; PyTorch's cross entropy ignores it."""


def count_of(task: DimensionsTask) -> int:
    """Return the number of levels of each dimension.

    Raises:
        ValueError: the task is not trained in levels.
    """
    if task.levels is None:
        raise ValueError("the task is not trained in levels")
    return task.levels


def level_values(task: DimensionsTask) -> Tensor:
    """Return the value of each level, float32 (dimensions, levels)."""
    return torch.stack([torch.linspace(low, high, count_of(task)) for low, high in task.ranges.values()])


def nearest_levels(task: DimensionsTask, values: Tensor) -> Tensor:
    """Return the level nearest to each value.

    Args:
        task: has the levels.
        values: (B, dimensions); NaN where a label is absent.

    Returns:
        int64 (B, dimensions), from 0; `ABSENT` for NaN.
    """
    distances = (values[..., None] - level_values(task).to(values)).abs()  # (B, dimensions, levels)
    return distances.argmin(dim=-1).masked_fill(values.isnan(), ABSENT)
