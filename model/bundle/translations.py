"""Write operators of PyTorch as ONNX operators that ONNX Runtime's optimiser recognises and fuses.

The exporter's own forms compute the same, but GELU stays five operators, and attention transposes the keys twice.

B clips, H heads, N tokens, M context tokens, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from onnxscript import opset18 as op

Value: TypeAlias = Any
"""A tensor of the graph that is being written; onnxscript has no type for it."""


def _gelu(x: Value) -> Value:
    """Write GELU as (x · (1 + erf(x / √2))) · 1/2, in this order."""
    return op.Mul(op.Mul(x, op.Add(op.Erf(op.Div(x, math.sqrt(2))), 1.0)), 0.5)


def _attention(queries: Value, keys: Value, values: Value) -> Value:
    """Write softmax(Q·Kᵀ / √(D/H))·V; all are (B, H, N or M, D/H)."""
    transposed = op.Transpose(keys, perm=[0, 1, 3, 2])  # (B, H, M, D/H) → (B, H, D/H, M)
    scores = op.MatMul(op.Mul(queries, queries.shape[-1] ** -0.5), transposed)  # (B, H, N, M)
    return op.MatMul(op.Softmax(scores, axis=-1), values)


TRANSLATIONS: dict[Callable[..., Value], Callable[..., Value]] = {
    torch.ops.aten.gelu.default: _gelu,
    torch.ops.aten.scaled_dot_product_attention.default: _attention,
}
"""What to write for an operator of PyTorch. Options that the model does not use are not parameters, so that they raise
an error."""
