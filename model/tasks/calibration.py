"""Temperature scaling: probabilities that match how often they are right.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

B clips, L labels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from model.tasks.levels import ABSENT

_COLDEST, _HOTTEST, _STEPS = 0.2, 5.0, 400
_BINS = 15
_TINY = 1e-12


def fit_temperature(probabilities: Tensor, labels: Tensor) -> float:
    """Fit the temperature that maximises the labels' likelihood, 0.2–5; 1 without labels.

    Args:
        probabilities: (B, L), at temperature 1.
        labels: int64 (B,) with `ABSENT`.
    """
    there = labels != ABSENT
    if not there.any():
        return 1.0
    logs = probabilities[there].double().clamp(min=_TINY).log()
    tried = torch.logspace(math.log10(_COLDEST), math.log10(_HOTTEST), _STEPS, dtype=torch.float64)
    losses = [torch.nn.functional.cross_entropy(logs / each, labels[there]) for each in tried]
    return float(tried[torch.stack(losses).argmin()])


def at_temperature(probabilities: Tensor, temperature: float) -> Tensor:
    """Rescale probabilities (B, L) of temperature 1 to another temperature."""
    return (probabilities.clamp(min=_TINY).log() / temperature).softmax(dim=-1)


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Compute the expected calibration error, 0–1: the gap between confidence and accuracy over 15 bins.

    Args:
        probabilities: (B, L).
        labels: int64 (B,) with `ABSENT`.
    """
    there = labels != ABSENT
    found = multiclass_calibration_error(probabilities[there], labels[there], probabilities.shape[-1], n_bins=_BINS)
    return float(found)
