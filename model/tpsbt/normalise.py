"""Normalise pixels for the encoder with ImageNet's mean and standard deviation, in all sizes and recipes."""

from __future__ import annotations

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(pixels: Tensor) -> Tensor:
    """Normalise RGB pixels in [0, 1], (B, 3, ...), to about zero mean and unit variance."""
    shape = (3, *(1 for _ in pixels.shape[2:]))
    mean, std = (torch.tensor(value, device=pixels.device).view(shape) for value in (IMAGENET_MEAN, IMAGENET_STD))
    return (pixels - mean) / std
