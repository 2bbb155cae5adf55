"""The three stages of TPSBT (Sun et al., SVFAP, arXiv 2401.00416, section on the encoder).

Each stage maps a (time, place) grid of tokens to another. A tube-masked clip is such a grid, too: it lacks the same
places at every time step.

B clips, T time steps, P places, D width, K bottleneck tokens of one time step.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from model.cpu_kernels import linear
from model.tpsbt.blocks import NORM_EPS, Block, CrossBlock, Mlp
from model.tpsbt.zoo import Size


class TemporalPyramid(nn.Conv1d):
    """Halve the time steps with a convolution over pairs of them, at each place.

    It is computed as one matrix product of all pairs: as a convolution, ONNX Runtime takes eleven times as long for it.
    A single time step is repeated: a still is a clip without motion.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, width, kernel_size=2, stride=2)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (B, T, P, D) to (B, T/2, P, D), or to (B, 1, P, D) for a single time step.

        Raises:
            ValueError: T is odd and not 1.
        """
        if grid.shape[1] == 1:
            grid = grid.repeat(1, 2, 1, 1)
        clips, times, places, width = grid.shape
        if times % 2:
            raise ValueError(f"{times} time steps cannot be halved")
        # (B, T, P, D) → (B, T/2, 2, P, D) → (B, T/2, P, 2, D) → (B, T/2·P, 2·D)
        pairs = grid.reshape(clips, times // 2, 2, places, width).transpose(2, 3).flatten(3).flatten(1, 2)
        weight = self.weight.transpose(1, 2).flatten(1)  # (D, D, 2) → (D, 2, D) → (D, 2·D)
        return linear(pairs, weight, self.bias).view(clips, times // 2, places, width)


class SpatialBottleneck(nn.Module):
    """Summarise the P places of each time step in K tokens.

    The K weights of a place are computed from its normalised token; they weigh sums of the tokens before the norm.
    """

    def __init__(self, width: int, hidden: int, tokens: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width, hidden, tokens)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (B, T, P, D) to (B, T, K, D)."""
        weights = self.mlp(self.norm(grid)).softmax(dim=2)  # (B, T, P, K), each K sums to 1 over P
        summary: Tensor = weights.transpose(2, 3) @ grid
        return summary


class FullStage(nn.Module):
    """The first stage: self-attention over all tokens."""

    def __init__(self, size: Size, drops: Sequence[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(size.width, size.heads, drop) for drop in drops)

    def forward(self, grid: Tensor) -> Tensor:
        """Take and return (B, T, P, D)."""
        tokens = grid.flatten(1, 2)  # (B, T, P, D) → (B, T·P, D)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.view_as(grid)


class BottleneckStage(nn.Module):
    """The second and third stages: half the time steps, and most computation on T/2·K bottleneck tokens.

    All blocks but the last refine the bottleneck tokens by cross-attention to the stage's tokens. The last block is
    reversed: the stage's tokens attend to the refined bottleneck tokens, which restores every place. (In the published
    pre-training code, this last block's context is all tubelets, including the hidden ones; in the paper it is not.)
    """

    def __init__(self, size: Size, drops: Sequence[float], stage: int) -> None:
        super().__init__()
        self.temporal_pyramid = TemporalPyramid(size.width)
        self.spatial_bottleneck = SpatialBottleneck(size.width, *size.bottleneck(stage))
        self.blocks = nn.ModuleList(CrossBlock(size.width, size.heads, drop) for drop in drops)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (B, T, P, D) to (B, T/2, P, D)."""
        halved: Tensor = self.temporal_pyramid(grid)
        tokens = halved.flatten(1, 2)  # (B, T/2, P, D) → (B, T/2·P, D)
        summary = self.spatial_bottleneck(halved).flatten(1, 2)  # (B, T/2, K, D) → (B, T/2·K, D)
        *refine, expand = self.blocks
        for block in refine:
            summary = block(summary, tokens)
        expanded: Tensor = expand(tokens, summary)
        return expanded.view_as(halved)
