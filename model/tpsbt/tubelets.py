"""Embed tubelets of pixels as tokens, and compute their positions.

B clips, T time steps, P places (rows · columns), N tokens (T·P), D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

TUBELET = (2, 16, 16)
"""Frames, rows and columns of pixels in a tubelet."""


def positions(count: int, width: int, device: torch.device | None = None) -> Tensor:
    """Compute the fixed sine and cosine position embeddings of tokens 0 … count - 1.

    Column j of row n is the sine (even j) or cosine (odd j) of n / 10000^(2·⌊j/2⌋ / width).

    Returns:
        float32 of shape (count, width), computed in float64.
    """
    column = torch.arange(width, device=device)
    wavelength = 10000 ** (2 * (column // 2).double() / width)
    angle = torch.arange(count, device=device)[:, None] / wavelength  # (count, width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


def cut(clips: Tensor) -> Tensor:
    """Cut clips into tubelets.

    Args:
        clips: (B, 3, frames, height, width).

    Returns:
        (B, T, P, 2·16·16·3), places in (row, column) order, a tubelet's values in (time, row, column, channel) order.

    Raises:
        ValueError: the clips do not divide into whole tubelets.
    """
    check_divides(clips)
    times, rows, columns = (pixels // side for pixels, side in zip(clips.shape[2:], TUBELET, strict=True))
    frames, height, width = TUBELET
    # (B, 3, T·2, R·16, C·16) → (B, 3, T, 2, R, 16, C, 16)
    parts = clips.reshape(-1, 3, times, frames, rows, height, columns, width)
    # → (B, T, R, C, 2, 16, 16, 3) → (B, T, P, 1536)
    return parts.permute(0, 2, 4, 6, 3, 5, 7, 1).flatten(4).flatten(2, 3)


def join(tubelets: Tensor, rows: int) -> Tensor:
    """Join the tubelets of a full grid, (B, T, P, 1536) in the order of `cut`, to clips."""
    clips, times, places, _ = tubelets.shape
    # (B, T, P, 1536) → (B, T, R, C, 2, 16, 16, 3)
    grid = tubelets.reshape(clips, times, rows, places // rows, *TUBELET, 3)
    # → (B, 3, T, 2, R, 16, C, 16) → (B, 3, frames, height, width)
    return grid.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6).flatten(4, 5).flatten(2, 3)


class TubeletEmbedding(nn.Conv3d):
    """Cut clips into tubelets, map each to a token and add its position embedding."""

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
        check_divides(clips)
        return placed(super().forward(clips).flatten(3).permute(0, 2, 3, 1))  # (B, D, T, rows, columns) → (B, T, P, D)

    def embed(self, tubelets: Tensor) -> Tensor:
        """Map tubelets in the order of `cut`, (..., 1536), to tokens (..., D) like `forward`, but without positions."""
        weight = self.weight.permute(0, 2, 3, 4, 1).flatten(1)  # (D, 3, 2, 16, 16) → (D, 1536)
        return functional.linear(tubelets, weight, self.bias)


def placed(grid: Tensor) -> Tensor:
    """Add the position embeddings to a grid of tokens (B, T, P, D)."""
    _, times, places, width = grid.shape
    return grid + positions(times * places, width, grid.device).view(times, places, width)


def check_divides(clips: Tensor) -> None:
    """Raise ValueError if clips, (B, 3, frames, height, width), do not divide into whole tubelets."""
    if any(pixels % tubelet for pixels, tubelet in zip(clips.shape[2:], TUBELET, strict=True)):
        raise ValueError(f"clips of {tuple(clips.shape[2:])} do not divide into tubelets of {TUBELET}")
