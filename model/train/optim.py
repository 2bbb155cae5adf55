"""AdamW over groups of parameters: which of them decay, and how fast each depth of the model learns.

No weight decay on what has one axis (biases, norms, the mask token); positions are no parameters here. With layer
decay the depth d of L + 1 learns at `layer_decay` ** (L - d) of the rate: tubelet embedding 0, blocks 1 … L - 1, the
last norm and the heads L. The published code finds depths by the blocks' names only, so that temporal convolutions and
bottleneck MLPs learn at the heads' rate; here they have the depth of their stage's first block, and a parameter
without a depth is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

SCALE = "scale"
"""A group's key: what the scheduled learning rate is multiplied by."""


def adamw(groups: Sequence[dict[str, Any]], betas: tuple[float, float]) -> torch.optim.AdamW:
    """Return the optimiser of the groups; `set_rate` gives it its learning rates."""
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group, by its scale."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group[SCALE]


def pretraining_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return one group that decays and one that does not, at the same rate."""
    return _groups(model, weight_decay, lambda _: 1.0)


def finetuning_groups(
    model: nn.Module, depths: tuple[int, int, int], *, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Return the groups of a `Perceiver` of these depths.

    Raises:
        ValueError: a parameter is at no depth.
    """
    last = sum(depths) + 1
    return _groups(model, weight_decay, lambda name: layer_decay ** (last - depth_of(name, depths)))


def depth_of(name: str, depths: tuple[int, int, int]) -> int:
    """Return how deep a parameter of `Perceiver` lies.

    Raises:
        ValueError: the name is none of its parameters'.
    """
    if name.startswith("encoder.tubelet_embedding."):
        return 0
    if name.startswith(("norm.", "heads.")):
        return sum(depths) + 1
    if match := re.match(r"encoder\.stages\.(\d)\.(?:blocks\.(\d+)|temporal_pyramid|spatial_bottleneck)\.", name):
        stage, block = int(match[1]), int(match[2] or 0)
        return 1 + sum(depths[:stage]) + block
    raise ValueError(f"the parameter {name} lies at no depth")


def _groups(model: nn.Module, weight_decay: float, scale_of: Callable[[str], float]) -> list[dict[str, Any]]:
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        key = weight_decay if parameter.ndim > 1 else 0.0, scale_of(name)
        group = groups.setdefault(key, {"params": [], "weight_decay": key[0], SCALE: key[1]})
        group["params"].append(parameter)
    return list(groups.values())
