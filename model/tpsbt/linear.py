"""A linear layer whose float32 products train at oneDNN's speed on a CPU.

PyTorch hands float32 matrix products on a CPU to MKL, but convolutions to oneDNN, which takes half MKL's time where
there is AVX-512 (measured on an AMD EPYC: 320–360 against 170–180 GFLOP/s of two cores, forward and backward). A
linear layer is a convolution of size 1 over its tokens; bfloat16 goes to oneDNN either way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def linear(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return tokens·weightᵀ + bias.

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


class Linear(nn.Linear):
    """(..., D) → (..., out)."""

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
