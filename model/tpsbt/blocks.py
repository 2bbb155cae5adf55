"""Pre-norm transformer blocks, with and without cross-attention.

B clips, N tokens, M context tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.cpu_kernels import Linear
from model.tpsbt.attention import CrossAttention, SelfAttention

NORM_EPS = 1e-6
MLP_RATIO = 4


class Mlp(nn.Module):
    """Two linear layers with a GELU between them: (..., width) → (..., out)."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden)
        self.fc2 = Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., out)."""
        y: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return y


class StochasticDepth(nn.Module):
    """Drop a residual branch for a random share `rate` of the clips, in training only.

    The other clips' branches are divided by 1 - rate, so that the mean is the same as in evaluation.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """Take and return (B, N, D)."""
        if not self.training or self.rate == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.rate
        return branch * kept.to(branch.dtype) / (1 - self.rate)


class Block(nn.Module):
    """Self-attention, then MLP, each with layer norm before it and a residual connection."""

    def __init__(self, width: int, heads: int, drop: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width, MLP_RATIO * width, width)
        self.drop = StochasticDepth(drop)

    def forward(self, tokens: Tensor) -> Tensor:
        """Take and return (B, N, D)."""
        tokens = tokens + self.drop(self.attn(self.norm1(tokens)))
        refined: Tensor = tokens + self.drop(self.mlp(self.norm2(tokens)))
        return refined


class CrossBlock(Block):
    """A block with cross-attention to a context before the self-attention, with a norm for each input."""

    def __init__(self, width: int, heads: int, drop: float) -> None:
        super().__init__(width, heads, drop)
        self.cross_norm1 = nn.LayerNorm(width, eps=NORM_EPS)  # of the tokens
        self.cross_norm2 = nn.LayerNorm(width, eps=NORM_EPS)  # of the context
        self.cross_attn = CrossAttention(width, heads)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:  # type: ignore[override]  # a second input
        """Take tokens (B, N, D) and a context (B, M, D); return the tokens (B, N, D)."""
        tokens = tokens + self.drop(self.cross_attn(self.cross_norm1(tokens), self.cross_norm2(context)))
        return super().forward(tokens)
