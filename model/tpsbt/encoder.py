"""TPSBT encoder: tubelet embedding, then three stages (Sun et al., SVFAP, arXiv 2401.00416).

B clips, T time steps, P places, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from model.tpsbt.stages import BottleneckStage, FullStage
from model.tpsbt.stem import ConvolutionalStem
from model.tpsbt.tubelets import TUBELET, TubeletEmbedding
from model.tpsbt.zoo import Size


class Encoder(nn.Module):
    """Encode normalised clips of any size that divides into tubelets.

    A stage of depth 0 is the identity: with blocks only in the first stage, the encoder is a plain ViT.

    Args:
        size: a row of the zoo.
        stochastic_depth: drop rate of the last block; rates rise linearly from 0 at the first block.
    """

    def __init__(self, size: Size, stochastic_depth: float = 0.0) -> None:
        super().__init__()
        blocks = sum(size.depths)
        rates = iter([stochastic_depth * block / (blocks - 1) for block in range(blocks)])
        first, second, third = ([next(rates) for _ in range(depth)] for depth in size.depths)
        self.tubelet_embedding = (
            ConvolutionalStem(size.stem, size.stem_blocks, size.width) if size.stem else TubeletEmbedding(size.width)
        )
        self.stages = nn.ModuleList(
            [
                FullStage(size, first),
                BottleneckStage(size, second, stage=2) if second else nn.Identity(),
                BottleneckStage(size, third, stage=3) if third else nn.Identity(),
            ]
        )
        self.apply(initialise)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode whole clips.

        Args:
            clips: normalised RGB, (B, 3, frames, height, width); 2, 4 or a multiple of 8 frames, height and width
                multiples of 16.

        Returns:
            The three stages' tokens, (B, T, P, D), (B, T/2, P, D) and (B, T/4, P, D), with at least one time step.

        Raises:
            ValueError: the clips have another shape.
        """
        return self.encode(self.tubelet_embedding(clips))

    def encode(self, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode a (time, place) grid of embedded tokens, (B, T, P, D), of all or some places."""
        first = self.stages[0](grid)
        second = self.stages[1](first)
        third = self.stages[2](second)
        return first, second, third


def last_tokens(size: Size, frames: int, side: int) -> int:
    """Return the number of the last stage's tokens for clips of `frames` frames and `side` pixels a side."""
    times, height, width = (pixels // tubelet for pixels, tubelet in zip((frames, side, side), TUBELET, strict=True))
    halvings = sum(depth > 0 for depth in size.depths[1:])
    return max(1, times >> halvings) * height * width


def initialise(module: nn.Module) -> None:
    """Initialise linear layers: Xavier uniform weights, zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
