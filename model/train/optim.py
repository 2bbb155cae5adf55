"""Groups of parameters and who optimises them: which of them decay, and how fast each depth of the model learns.

AdamW optimises all, as in the paper. Where a recipe says so, Muon (Jordan and others, 2024) takes the matrices of the
blocks: it makes a step's matrix orthogonal, so that all directions of it are learned alike. It leaves the plateau at
the start of pre-training several times as fast (docs/decisions/0012).

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

_MATRIX = re.compile(r"\.blocks\..*\.weight$")


def optimisers(
    model: nn.Module, groups: Sequence[dict[str, Any]], betas: tuple[float, float], muon_scale: float | None = None
) -> list[torch.optim.Optimizer]:
    """Return who optimises the groups; `set_rate` gives them their learning rates.

    Args:
        model: whose parameters they are.
        groups: all of them.
        betas: AdamW's.
        muon_scale: Muon's learning rate over AdamW's; without it AdamW optimises all.
    """
    if muon_scale is None:
        return [torch.optim.AdamW(groups, lr=0.0, betas=betas, fused=True)]
    matrices = {
        id(parameter) for name, parameter in model.named_parameters() if parameter.ndim == 2 and _MATRIX.search(name)
    }
    by_muon, by_adamw = [], []
    for group in groups:
        inside = [parameter for parameter in group["params"] if id(parameter) in matrices]
        outside = [parameter for parameter in group["params"] if id(parameter) not in matrices]
        if inside:
            by_muon.append({**group, "params": inside, SCALE: group[SCALE] * muon_scale})
        if outside:
            by_adamw.append({**group, "params": outside})
    return [
        # Its steps are then of AdamW's usual size (Liu and others, arXiv 2502.16982).
        torch.optim.Muon(by_muon, lr=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(by_adamw, lr=0.0, betas=betas, fused=True),
    ]


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
    """Return the groups of a `AffectModel` of these depths.

    Raises:
        ValueError: a parameter is at no depth.
    """
    last = sum(depths) + 1
    return _groups(model, weight_decay, lambda name: layer_decay ** (last - depth_of(name, depths)))


def depth_of(name: str, depths: tuple[int, int, int]) -> int:
    """Return how deep a parameter of `AffectModel` lies.

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
