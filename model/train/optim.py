"""Make optimisers and parameter groups: weight decay and learning-rate scale by depth.

AdamW optimises all parameters, as in the paper. If the recipe says so, Muon (Jordan and others, 2024) optimises the
matrices of the blocks instead: it orthogonalises a matrix's update, so that all its directions are learned at the
same rate. It leaves the plateau at the start of pre-training several times as fast (docs/decisions/0012).

Parameters of one axis (biases, norms, the mask token) have no weight decay; positions are not parameters.
With layer decay the depth d of L + 1 learns at `layer_decay` ** (L - d) of the rate: tubelet embedding 0, blocks
1 … L - 1, the last norm and the heads L. The published code finds depths by the blocks' names only, so that temporal
convolutions and bottleneck MLPs learn at the heads' rate; here they have the depth of their stage's first block, and
a parameter without a depth is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

SCALE = "scale"
"""A group's key for the factor on the scheduled learning rate."""

_MATRIX = re.compile(r"\.blocks\..*\.weight$")


def optimisers(
    model: nn.Module, groups: Sequence[dict[str, Any]], betas: tuple[float, float], muon_scale: float | None = None
) -> list[torch.optim.Optimizer]:
    """Make the optimisers of parameter groups; `set_rate` sets their learning rates.

    Args:
        model: the model.
        groups: all its parameter groups.
        betas: betas of AdamW.
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
        *([torch.optim.Muon(by_muon, lr=0.0, adjust_lr_fn="match_rms_adamw")] if by_muon else []),
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
    """Return the depth of a parameter of `AffectModel`.

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
        if not parameter.requires_grad:
            continue
        key = weight_decay if parameter.ndim > 1 else 0.0, scale_of(name)
        group = groups.setdefault(key, {"params": [], "weight_decay": key[0], SCALE: key[1]})
        group["params"].append(parameter)
    return list(groups.values())
