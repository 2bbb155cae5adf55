"""Multi-head attention: queries and values have biases, keys have none.

A bias on the keys adds the same number to all scores of one query, which the softmax cancels.

B clips, N tokens, M context tokens, D width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.cpu_kernels import Linear, linear, scaled_dot_product_attention


def attend(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Compute multi-head attention, each head on its own part of the width.

    Args:
        queries: (B, N, D).
        keys: (B, M, D).
        values: (B, M, D).
        heads: H, a divisor of D.

    Returns:
        (B, N, D), the heads side by side.
    """
    # (B, N, D) → (B, N, H, D/H) → (B, H, N, D/H)
    q, k, v = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (queries, keys, values))
    mixed = scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2).flatten(2)  # (B, H, N, D/H) → (B, N, D)


class SelfAttention(nn.Module):
    """Self-attention over tokens (B, N, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, N, D)."""
        bias = torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))
        # (B, N, 3·D) → three of (B, N, D)
        queries, keys, values = linear(tokens, self.qkv.weight, bias).chunk(3, dim=-1)
        mixed: Tensor = self.proj(attend(queries, keys, values, self.heads))
        return mixed


class CrossAttention(nn.Module):
    """Cross-attention from tokens (B, N, D) to a context (B, M, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = Linear(width, width, bias=False)
        self.kv = Linear(width, 2 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = Linear(width, width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Return (B, N, D)."""
        queries = linear(tokens, self.q.weight, self.q_bias)
        bias = torch.cat((torch.zeros_like(self.v_bias), self.v_bias))
        # (B, M, 2·D) → two of (B, M, D)
        keys, values = linear(context, self.kv.weight, bias).chunk(2, dim=-1)
        mixed: Tensor = self.proj(attend(queries, keys, values, self.heads))
        return mixed
