"""Masked autoencoder for videos of faces, with a mask ratio of 0.9 (SVFAP, pre-training).

This follows the paper where the published code departs from it: that encoder sees the hidden tubelets in the last
block of stages 2 and 3, and that fusion adds tokens of other places. Here the encoder gets only the visible tubelets.

B clips, T time steps, P places (V visible, H hidden), D the encoder's width, E the decoder's, 1536 values a tubelet.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.cpu_kernels import Linear
from model.tpsbt.blocks import NORM_EPS, Block
from model.tpsbt.encoder import Encoder, initialise
from model.tpsbt.masking import TubeMask, at_places
from model.tpsbt.normalise import normalise
from model.tpsbt.tubelets import TUBELET, positions
from model.tpsbt.zoo import Size

TUBELET_PIXELS = TUBELET[0] * TUBELET[1] * TUBELET[2]
STD_FLOOR = 1e-6
MASK_TOKEN_STD = 0.02


class DecoderSize(NamedTuple):
    """Width, attention heads and number of blocks of a decoder."""

    width: int
    heads: int
    depth: int


DECODERS = {
    "base": DecoderSize(width=384, heads=6, depth=4),  # the paper's
    "small": DecoderSize(width=384, heads=6, depth=4),
    "tiny": DecoderSize(width=96, heads=3, depth=2),  # ours
    "tiny-vit": DecoderSize(width=96, heads=3, depth=2),
    "tiny-linear": DecoderSize(width=96, heads=3, depth=2),
}
"""Decoders by the encoder's name in the zoo."""


class MaskedAutoencoder(nn.Module):
    """Masked autoencoder with a TPSBT encoder: predicts the hidden tubelets of clips.

    Args:
        size: the encoder's size.
        decoder: the decoder's size.
    """

    def __init__(self, size: Size, decoder: DecoderSize) -> None:
        super().__init__()
        self.encoder = Encoder(size)
        self.fusion = Fusion(size.width, decoder.width)
        self.decoder = Decoder(decoder)
        self.fusion.apply(initialise)
        self.decoder.apply(initialise)

    def forward(self, tubelets: Tensor, mask: TubeMask) -> Tensor:
        """Predict the hidden tubelets.

        Args:
            tubelets: from `cut`, of clips in [0, 1], (B, T, P, 1536).
            mask: the visible and hidden places.

        Returns:
            (B, T, H, 1536), normalised as by `target`.
        """
        predicted: Tensor = self.decoder(self.fusion(self.encode_visible(tubelets, mask)), mask)
        return predicted

    def encode_visible(self, tubelets: Tensor, mask: TubeMask) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three stages' tokens of the visible places, (B, T, V, D), (B, T/2, V, D), (B, T/4, V, D)."""
        seen = at_places(tubelets, mask.visible)
        # The channel is a tubelet's last axis: (B, T, V, 1536) → (B·T·V·512, 3) and back
        seen = normalise(seen.reshape(-1, 3)).view_as(seen)
        tokens = self.encoder.tubelet_embedding.embed(seen)
        _, times, places, _ = tubelets.shape
        return self.encoder.encode(tokens + at_places(_grid_positions(times, places, tokens), mask.visible))


class Fusion(nn.Module):
    """Sum the three stages' tokens of each place at the first stage's time steps, and project them.

    A token of the second stage covers two time steps, one of the third four: it is repeated for each of them.
    """

    def __init__(self, width: int, decoder_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.proj = Linear(width, decoder_width, bias=False)

    def forward(self, stages: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Fuse (B, T, V, D), (B, T/2, V, D) and (B, T/4, V, D) to (B, T, V, E)."""
        first, second, third = stages
        times = first.shape[1]
        fused = first + sum(stage.repeat_interleave(times // stage.shape[1], dim=1) for stage in (second, third))
        tokens: Tensor = self.proj(self.norm(fused))
        return tokens


class Decoder(nn.Module):
    """Transformer blocks over the visible places' tokens and a learned mask token for each hidden tubelet."""

    def __init__(self, size: DecoderSize) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.empty(size.width).normal_(std=MASK_TOKEN_STD))
        self.blocks = nn.ModuleList(Block(size.width, size.heads, drop=0.0) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.width, eps=NORM_EPS)
        self.head = Linear(size.width, TUBELET_PIXELS * 3)

    def forward(self, visible: Tensor, mask: TubeMask) -> Tensor:
        """Predict the hidden tubelets (B, T, H, 1536) from the visible places' tokens (B, T, V, E)."""
        clips, times, seen, _ = visible.shape
        hidden = mask.hidden.shape[1]
        table = _grid_positions(times, seen + hidden, visible)
        known = visible + at_places(table, mask.visible)
        unknown = self.mask_token + at_places(table, mask.hidden)
        # (B, T, V, E) and (B, T, H, E) → (B, T·V + T·H, E)
        tokens = torch.cat([known.flatten(1, 2), unknown.flatten(1, 2)], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = tokens[:, times * seen :]  # (B, T·H, E)
        predicted: Tensor = self.head(self.norm(tokens))
        return predicted.view(clips, times, hidden, -1)


def target(tubelets: Tensor, mask: TubeMask) -> Tensor:
    """Return the prediction target: the hidden tubelets, normalised by tubelet and channel over their 512 pixels.

    Args:
        tubelets: of clips in [0, 1], (B, T, P, 1536).
        mask: the visible and hidden places.

    Returns:
        (B, T, H, 1536).
    """
    hidden = at_places(tubelets, mask.hidden)
    pixels = hidden.reshape(*hidden.shape[:3], TUBELET_PIXELS, 3)  # (B, T, H, 1536) → (B, T, H, 512, 3)
    std, mean = torch.std_mean(pixels, dim=-2, keepdim=True)  # unbiased
    return ((pixels - mean) / (std + STD_FLOOR)).flatten(-2)


def reconstruction_loss(predicted: Tensor, expected: Tensor) -> Tensor:
    """Return the mean squared error over all hidden values, both (B, T, H, 1536)."""
    return functional.mse_loss(predicted.float(), expected)


def _grid_positions(times: int, places: int, like: Tensor) -> Tensor:
    """Return the fixed positions of a whole grid, (1, T, P, width), of `like`'s width and on its device."""
    return positions(times * places, like.shape[-1], like.device).view(1, times, places, -1)
