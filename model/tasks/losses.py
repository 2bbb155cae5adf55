"""Compute the losses of the heads' outputs, and from labels their targets. Absent labels add nothing.

Labels become targets first, (B, columns) floats with NaN for what is absent: mixup and CutMix blend targets, and a
blend with an absent target is absent. A loss is 0 without any present target.

B clips, L labels or levels, C dimensions, traits or side numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mien.contract.bundle import DimensionsTask, ExpressionTask
from model.tasks.learnt import LearntTask
from model.tasks.levels import count_of, nearest_levels

_LEAST_SPREAD = 1e-8


def smoothed(_task: ExpressionTask, labels: Tensor, smoothing: float) -> Tensor:
    """Return probabilities (B, L) with the share `smoothing` spread evenly over all labels."""
    return _smoothed(labels, smoothing)


def levels_targets(task: DimensionsTask, labels: Tensor, smoothing: float) -> Tensor:
    """Turn values (B, C) into smoothed probabilities of their nearest levels, (B, C·L)."""
    return _smoothed(_one_hot(nearest_levels(task, labels), count_of(task)), smoothing).flatten(1)


def labels_as_targets(_task: LearntTask, labels: Tensor, _smoothing: float) -> Tensor:
    """Return values (B, C) as they are."""
    return labels


def expression_loss(logits: Tensor, expected: Tensor, _variance: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of logits (B, L) with probabilities (B, L)."""
    present = ~expected.isnan().any(dim=1)
    losses = -(expected.nan_to_num() * logits.float().log_softmax(dim=1)).sum(dim=1)  # (B,)
    return _mean(losses, present)


def levels_loss(logits: Tensor, expected: Tensor, _variance: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy of each dimension's levels, logits (B, C, L) and probabilities (B, C·L)."""
    return expression_loss(logits.flatten(0, 1), expected.view_as(logits).flatten(0, 1))


def regression_loss(values: Tensor, expected: Tensor, variance: Tensor | None = None) -> Tensor:
    """Return the mean squared error of (B, C), each column's divided by its variance (C,) if that is given."""
    losses = functional.mse_loss(values.float(), expected.nan_to_num(), reduction="none")
    return _mean(losses if variance is None else losses / variance, ~expected.isnan())


def concordance_loss(values: Tensor, expected: Tensor, _variance: Tensor | None = None) -> Tensor:
    """Return 1 minus Lin's concordance correlation coefficient over the batch, the mean over the columns of (B, C).

    Minimising squared errors shrinks uncertain values towards their mean; maximising concordance keeps their variance
    (Trigeorgis and others, "Adieu features?", ICASSP 2016). A column with fewer than two present targets adds nothing.
    """
    present = ~expected.isnan()
    weight = present.float() / present.sum(dim=0).clamp(min=1)  # (B, C), each column's sum is 1
    outputs, targets = values.float(), expected.nan_to_num()
    mean, target_mean = ((weight * side).sum(dim=0) for side in (outputs, targets))
    variance, target_variance = (
        (weight * (outputs - mean) ** 2).sum(dim=0),
        (weight * (targets - target_mean) ** 2).sum(dim=0),
    )
    error = (weight * (outputs - targets) ** 2).sum(dim=0)
    losses = error / (variance + target_variance + (mean - target_mean) ** 2).clamp(min=_LEAST_SPREAD)
    return _mean(losses, present.sum(dim=0) > 1)


REGRESSION_LOSSES = {"mse": regression_loss, "ccc": concordance_loss}
"""Losses of values, by their name in recipes."""


def variances(labels: Tensor) -> Tensor:
    """Return the variance of each column (C,) of labels (N, C), NaN where absent; 1 where a column does not vary."""
    there = ~labels.isnan()
    count = there.sum(dim=0).clamp(min=1)
    mean = labels.nan_to_num().sum(dim=0) / count
    found = ((labels - mean) ** 2).nan_to_num().sum(dim=0) / count
    return found.where(found > 0, 1.0)


def _one_hot(classes: Tensor, count: int) -> Tensor:
    """Turn int64 classes (...) into probabilities (..., count); a negative class into NaN."""
    return functional.one_hot(classes.clamp(min=0), count).float().masked_fill(classes[..., None] < 0, torch.nan)


def _smoothed(probabilities: Tensor, smoothing: float) -> Tensor:
    return probabilities * (1 - smoothing) + smoothing / probabilities.shape[-1]


def _mean(losses: Tensor, present: Tensor) -> Tensor:
    return losses.where(present, 0).sum() / present.sum().clamp(min=1)
