"""Mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899) of the clips in a batch.

Clip i is mixed with clip B - 1 - i. Mixup or CutMix and one share λ are drawn for the whole batch. CutMix pastes one
rectangle, the same in all frames.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class Mix(BaseModel):
    """Settings of mixup and CutMix; the defaults are the paper's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mixup: float = Field(0.8, ge=0, description="λ of mixup comes from Beta(mixup, mixup); 0 leaves mixup out.")
    cutmix: float = Field(1.0, ge=0, description="λ of CutMix comes from Beta(cutmix, cutmix); 0 leaves CutMix out.")

    def __call__(
        self, clips: Tensor, targets: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return mixed clips and, mixed by the same λ, their targets.

        Args:
            clips: float (B, 3, T, H, W).
            targets: soft targets, float (B, columns) each; NaN, for an absent label, stays NaN in every mixture.
            generator: a CPU generator.
        """
        chosen = [a for a in (self.mixup, self.cutmix) if a]
        if not chosen:
            return clips, dict(targets)
        pick = int(torch.randint(len(chosen), (1,), generator=generator))
        share = _beta(chosen[pick], generator)
        pasted = pick == len(chosen) - 1 and self.cutmix > 0
        clips, share = _paste(clips, share, generator) if pasted else (torch.lerp(clips.flip(0), clips, share), share)
        return clips, {name: torch.lerp(target.flip(0), target, share) for name, target in targets.items()}


def _beta(alpha: float, generator: torch.Generator) -> float:
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def _paste(clips: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, float]:
    """Paste a rectangle of 1 − `share` of the area; also return the share that is really left."""
    height, width = clips.shape[-2:]
    side = (1 - share) ** 0.5
    x, y = (torch.rand(2, generator=generator) * torch.tensor([width, height])).tolist()
    left, right = (min(width, max(0, round(x + half * side * width))) for half in (-0.5, 0.5))
    top, bottom = (min(height, max(0, round(y + half * side * height))) for half in (-0.5, 0.5))
    mixed = clips.clone()
    mixed[..., top:bottom, left:right] = clips.flip(0)[..., top:bottom, left:right]
    return mixed, 1 - (right - left) * (bottom - top) / (width * height)
