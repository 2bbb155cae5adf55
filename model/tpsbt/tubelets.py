"""From pixels to tokens: tubelets and their positions.

B clips, T time steps, P places (rows · columns), N tokens (T·P), D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TUBELET = (2, 16, 16)
"""Frames, rows and columns of pixels in a token."""


def positions(count: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the fixed sine and cosine positions of tokens 0 … count - 1.

    Column j of row n is the sine (even j) or cosine (odd j) of n / 10000^(2·⌊j/2⌋ / width).

    Returns:
        float32 of shape (count, width), computed in float64.
    """
    column = torch.arange(width, device=device)
    wavelength = 10000 ** (2 * (column // 2).double() / width)
    angle = torch.arange(count, device=device)[:, None] / wavelength  # (count, width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


class TubeletEmbedding(nn.Conv3d):
    """Cuts clips into tubelets, maps each to a token and adds its position."""

    def __init__(self, width: int) -> None:
        super().__init__(3, width, kernel_size=TUBELET, stride=TUBELET)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the (time, place) grid of tokens.

        Args:
            clips: normalised RGB, (B, 3, frames, height, width).

        Returns:
            (B, T, P, D), places in (row, column) order.

        Raises:
            ValueError: the clips do not divide into whole tubelets.
        """
        if any(pixels % tubelet for pixels, tubelet in zip(clips.shape[2:], TUBELET, strict=True)):
            raise ValueError(f"clips of {tuple(clips.shape[2:])} do not divide into tubelets of {TUBELET}")
        grid = super().forward(clips).flatten(3).permute(0, 2, 3, 1)  # (B, D, T, rows, columns) → (B, T, P, D)
        _, times, places, width = grid.shape
        return grid + positions(times * places, width, grid.device).view(times, places, width)
