"""Work around slow kernels of PyTorch on CPUs: linear layers in float32 and attention in bfloat16.

- Linear layers: PyTorch hands float32 matrix products to MKL and convolutions to oneDNN, which is faster where there is
  AVX-512 (measured on two cores of an AMD EPYC, forward and backward: 5 to 20 % on a busy machine, up to twice as fast
  on an idle one). A linear layer is a convolution of size 1 over its tokens. bfloat16 goes to oneDNN either way.
- Attention: in bfloat16 the fused kernel is slower than plain matrix products (measured with AVX-512: 4 to 40 %).

Everywhere else both functions call PyTorch's own.

B clips, N tokens, M context tokens, D width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def linear(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute tokens·weightᵀ + bias.

    Args:
        tokens: (B, N, D), or (..., D).
        weight: (out, D).
        bias: (out,).

    Returns:
        (..., out).
    """
    if tokens.ndim != 3 or not _convolution_is_faster(tokens):
        return functional.linear(tokens, weight, bias)
    image = tokens.unsqueeze(1).permute(0, 3, 1, 2)  # (B, N, D) → (B, D, 1, N), with the channels last in memory
    return functional.conv2d(image, weight[:, :, None, None], bias).permute(0, 2, 3, 1).squeeze(1)


def scaled_dot_product_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Compute softmax(Q·Kᵀ / √(D/H))·V; all are (B, H, N or M, D/H)."""
    if queries.dtype != torch.bfloat16 or queries.device.type != "cpu":
        return functional.scaled_dot_product_attention(queries, keys, values)
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)  # (B, H, N, M)
    mixed: Tensor = scores.softmax(dim=-1) @ values
    return mixed


class Linear(nn.Linear):
    """A linear layer, (..., D) → (..., out), that computes with `linear`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # PyTorch's name
        """Return (..., out)."""
        return linear(input, self.weight, self.bias)


def _convolution_is_faster(tokens: Tensor) -> bool:
    return (
        torch.is_grad_enabled()  # what is exported stays a matrix product
        and tokens.device.type == "cpu"
        and tokens.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )
