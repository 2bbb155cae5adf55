"""Convolutional stem, which replaces the tubelet embedding.

A linear map of 16×16 pixels locates edges poorly, and attention learns to do it slowly (measured in
docs/decisions/0017). Convolutions in the stem are from "Early convolutions help transformers see better" (Xiao et al.,
arXiv 2106.14881); hiding masked pixels from them is from "MCMAE: masked convolution meets masked autoencoders" (Gao et
al., arXiv 2205.03892).

B clips, T time steps, P places (rows · columns), N tubelets, D width.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.tpsbt.tubelets import TUBELET, check_divides, placed


class Residual(nn.Module):
    """ResNet's basic block (He et al., arXiv 1512.03385): two convolutions with a shortcut.

    Args:
        channels: input channels.
        out: output channels; equal to `channels` where the stride is 1.
        stride: stride of the first convolution and of the shortcut.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2, self.norm2 = nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
        else:
            nn.init.zeros_(self.norm2.weight)  # starts as the identity (arXiv 1706.02677, section 5.1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, out, H/stride, W/stride)."""
        branch = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(self.shortcut(x) + branch)


class ConvolutionalStem(nn.Module):
    """Map the two stacked frames of a time step to a token for each place, and add its position.

    Args:
        channels: channels after the first convolution and at each of three scales; each halves the resolution.
        blocks: residual blocks at each scale; the first one halves the resolution.
        width: D.
    """

    def __init__(self, channels: tuple[int, int, int, int], blocks: int, width: int) -> None:
        super().__init__()
        first = channels[0]
        self.convolutions = nn.Sequential(
            nn.Conv2d(TUBELET[0] * 3, first, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            *(
                Residual(after if block else before, after, stride=1 if block else 2)
                for before, after in pairwise(channels)
                for block in range(blocks)
            ),
        )
        self.projection = nn.Linear(channels[-1], width)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the (time, place) grid of tokens; the convolutions cross the borders of tubelets.

        Args:
            clips: normalised RGB, (B, 3, frames, height, width).

        Returns:
            (B, T, P, D), places in (row, column) order.

        Raises:
            ValueError: the clips do not divide into whole tubelets.
        """
        check_divides(clips)
        count, colours, frames, height, width = clips.shape
        # (B, 3, T·2, H, W) → (B, 3, T, 2, H, W) → (B, T, 2, 3, H, W) → (B·T, 6, H, W)
        pairs = clips.reshape(count, colours, frames // TUBELET[0], TUBELET[0], height, width).permute(0, 2, 3, 1, 4, 5)
        tokens = self._tokens(pairs.flatten(2, 3).flatten(0, 1))
        # (B·T, P, D) → (B, T, P, D)
        return placed(tokens.view(count, frames // TUBELET[0], *tokens.shape[1:]))

    def embed(self, tubelets: Tensor) -> Tensor:
        """Map tubelets in the order of `cut`, (..., 1536), to tokens (..., D), each separately and without positions.

        Tubelets are zero-padded, as `forward` pads the whole picture.
        """
        frames, height, width = TUBELET
        # (..., 1536) → (N, 2, 16, 16, 3) → (N, 2, 3, 16, 16) → (N, 6, 16, 16)
        pairs = tubelets.reshape(-1, frames, height, width, 3).permute(0, 1, 4, 2, 3).flatten(1, 2)
        return self._tokens(pairs).view(*tubelets.shape[:-1], -1)

    def _tokens(self, pairs: Tensor) -> Tensor:
        """Map (N, 6, H, W) to (N, H/16 · W/16, D)."""
        maps = self.convolutions(pairs.contiguous(memory_format=torch.channels_last))
        tokens: Tensor = self.projection(maps.flatten(2).transpose(1, 2))
        return tokens
