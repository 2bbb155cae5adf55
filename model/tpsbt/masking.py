"""Tube masking: the same random places are hidden at every time step (SVFAP after VideoMAE).

A face hardly moves within a clip, so a place hidden at one time step only could be copied from the next.

Convention: a mask lists places. `hidden` are those that the decoder predicts and the encoder does not see; `visible`
are all others. There are no boolean masks, whose polarity could be mistaken.

B clips, P places (V visible, H hidden).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MASK_RATIO = 0.9
"""The paper's mask ratio: the share of places that are hidden."""


class TubeMask(NamedTuple):
    """Visible and hidden places, both in ascending order."""

    visible: Tensor
    """int64 (B, V)."""
    hidden: Tensor
    """int64 (B, H)."""

    def to(self, device: torch.device) -> TubeMask:
        """Return the mask on a device."""
        return TubeMask(self.visible.to(device), self.hidden.to(device))


def masked_places(places: int, mask_ratio: float = MASK_RATIO) -> int:
    """Return the number of masked places, H."""
    return int(mask_ratio * places)


def draw_mask(clips: int, places: int, generator: torch.Generator, mask_ratio: float = MASK_RATIO) -> TubeMask:
    """Draw a random mask for each clip."""
    order = torch.rand(clips, places, generator=generator).argsort(dim=1)
    hidden, visible = order.tensor_split([masked_places(places, mask_ratio)], dim=1)
    return TubeMask(visible.sort(dim=1).values, hidden.sort(dim=1).values)


def at_places(grid: Tensor, places: Tensor) -> Tensor:
    """Select places of a grid.

    Args:
        grid: (B, T, P, ...), or (1, T, P, ...) shared by all clips.
        places: int64 (B, V).

    Returns:
        (B, T, V, ...).
    """
    clips = torch.arange(len(places), device=places.device)[:, None]
    # Indexing clips and places moves both to the front: (B, V, T, ...) → (B, T, V, ...)
    return grid.expand(len(places), *grid.shape[1:])[clips, :, places].transpose(1, 2)
