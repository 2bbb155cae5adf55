"""Multi-head attention: queries and values have biases, keys have none.

A bias on the keys adds the same number to all scores of one query, which the softmax takes away again.

B clips, N tokens, M context tokens, D width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.tpsbt.linear import Linear, linear


def attend(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Attend with each head to its own part of the width.

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
    mixed = _plain(q, k, v) if _fused_is_slow(q) else functional.scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2).flatten(2)  # (B, H, N, D/H) → (B, N, D)


def _fused_is_slow(queries: Tensor) -> bool:
    """Say whether PyTorch's fused kernel loses to plain matrix products.

    In bfloat16 on a CPU it does: measured at AVX-512 with bfloat16, steps of pre-training take a quarter less time
    without it, steps of fine-tuning a fifth.
    """
    return queries.dtype == torch.bfloat16 and queries.device.type == "cpu"


def _plain(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend as the formula has it, softmax(Q·Kᵀ / √(D/H))·V; all are (B, H, N or M, D/H)."""
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)  # (B, H, N, M)
    mixed: Tensor = scores.softmax(dim=-1) @ values
    return mixed


class SelfAttention(nn.Module):
    """Tokens (B, N, D) look at each other."""

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
    """Tokens (B, N, D) look at a context (B, M, D)."""

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
