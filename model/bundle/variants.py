"""Make variants of a bundle's graph, in int8 for processors and float16 for graphics cards, and compare them with it.

A variant has attention as one operator of ONNX Runtime's own (`com.microsoft.MultiHeadAttention`). In int8, matrix
products with weights are quantised: weights by channel, activations by tensor as they come. Convolutions, attention and
the encoder's last stage stay float32. In float16 all is, but for the graph's inputs and outputs.

B clips, N and M tokens, H heads, D width.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxscript import ir
from onnxscript.rewriter import pattern

from mien.contract.bundle import (
    VARIANT_SAME_LABEL,
    VARIANT_TOLERANCE,
    ExpressionTask,
    Task,
    Variant,
    VariantParity,
    VariantPrecision,
)
from model.bundle.parity_clips import ParityClips
from model.bundle.read_back import PREFIX
from model.bundle.runtime import folded, open_graph
from model.errors import ModelError

Value: TypeAlias = Any
"""A tensor of the graph that is being rewritten; onnxscript has no type for it."""

_FUSED = "com.microsoft"


class VariantRefused(ModelError):
    """Raised if a variant's outputs are too far from those of the float32 graph."""


def variant_file(precision: VariantPrecision) -> str:
    """Return the name of a variant's file."""
    return f"model.{precision}.onnx"


def write_variant(graph: Path, precision: VariantPrecision, path: Path) -> None:
    """Write the graph of a file in another precision."""
    float32 = onnx.load(graph)
    with tempfile.TemporaryDirectory() as folder:
        fused = Path(folder, "fused.onnx")
        onnx.save(_with_fused_attention(float32), fused)
        model = folded(fused, Path(folder, "folded.onnx"))
    if precision == "int8":
        _write_int8(model, _of_the_last_stage(float32), path)
    else:
        _write_float16(model, path)


def compare(
    graph: Path, variants: Mapping[VariantPrecision, Path], name: str, tasks: Sequence[Task], clips: ParityClips
) -> tuple[Variant, ...]:
    """Describe variants by how far their outputs are from the graph's.

    Args:
        graph: the float32 graph.
        variants: the variants' files.
        name: of the graph's input.
        tasks: of the graph.
        clips: to compare on.

    Raises:
        VariantRefused: a variant's outputs are too far from the graph's.
    """
    sessions = {precision: open_graph(path) for precision, path in variants.items()}
    float32, outputs = open_graph(graph), [task.output for task in tasks]
    gaps, same = dict.fromkeys(variants, 0.0), dict.fromkeys(variants, 0)
    count = 0
    for batch in clips.batches:
        expected = float32.run(outputs, {name: batch})
        count += len(batch)
        for precision, session in sessions.items():
            found = session.run(outputs, {name: batch})
            gaps[precision] = float(np.max([gaps[precision], *map(_gap, tasks, found, expected)]))  # NaN if any is
            same[precision] += _same_labels(tasks, found, expected, len(batch))
    for precision in variants:
        _check(precision, gaps[precision], same[precision], count, clips.data)
    return tuple(
        Variant(
            precision=precision,
            graph=path.name,
            parity=VariantParity(
                max_abs_difference=gaps[precision], same_label=same[precision] / count, clips=count, data=clips.data
            ),
        )
        for precision, path in variants.items()
    )


class _Attention(pattern.RewriteRuleClassBase):
    """Replace the operators of `model.tpsbt.attention.attend`, as `translations` writes them, by one."""

    def pattern(  # noqa: PLR0917 — onnxscript's way
        self,
        op: Value,
        queries: Value,
        keys: Value,
        values: Value,
        heads: Value,
        heads_k: Value,
        heads_v: Value,
        scale: Value,
        merged: Value,
    ) -> Value:
        """Match softmax(Q·Kᵀ / √(D/H))·V of (B, N or M, D), each head on its own part of the width."""
        # (B, N, D) → (B, N, H, D/H) → (B, H, N, D/H)
        q = op.Transpose(op.Reshape(queries, heads), perm=[0, 2, 1, 3])
        k = op.Transpose(op.Reshape(keys, heads_k), perm=[0, 2, 3, 1])  # (B, H, D/H, M)
        v = op.Transpose(op.Reshape(values, heads_v), perm=[0, 2, 1, 3])
        mixed = op.MatMul(op.Softmax(op.MatMul(op.Mul(q, scale), k), axis=-1), v)
        return op.Reshape(op.Transpose(mixed, perm=[0, 2, 1, 3]), merged)  # (B, H, N, D/H) → (B, N, D)

    def rewrite(self, op: Value, queries: Value, keys: Value, values: Value, heads: Value, **_: Value) -> Value:
        """Write the operator; by default it has the same scale."""
        number = heads.const_value.numpy()[2]  # of (B, N, H, D/H)
        return op.MultiHeadAttention(queries, keys, values, num_heads=int(number), _domain=_FUSED)


def _with_fused_attention(model: onnx.ModelProto) -> onnx.ModelProto:
    rewritten = ir.from_proto(model)
    rule: pattern.RewriteRule = _Attention.rule()  # type: ignore[no-untyped-call]
    if rule.apply_to_model(rewritten):
        rewritten.opset_imports[_FUSED] = 1
    return ir.to_proto(rewritten)


def _of_the_last_stage(model: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes that multiply by weights of the encoder's last stage.

    It has few tokens: at base size, float32 there costs 4 % of the time and removes a quarter of the difference.
    """
    stage = re.compile(re.escape(PREFIX) + r"encoder\.stages\.(\d+)\.")
    stages = {each.name: int(found[1]) for each in model.graph.initializer if (found := stage.match(each.name))}
    for node in model.graph.node:
        if node.op_type == "Transpose" and node.input[0] in stages:
            stages[node.output[0]] = stages[node.input[0]]
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and stages.get(node.input[1]) == max(stages.values())
    ]


def _write_int8(model: onnx.ModelProto, excluded: list[str], path: Path) -> None:
    from onnxruntime.quantization import QuantType, quant_utils, quantize_dynamic  # after `service.onnx_runtime`

    quant_utils.add_pre_process_metadata(model)  # else it warns that this should come first
    quantize_dynamic(
        model,
        path,
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=excluded,
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def _write_float16(model: onnx.ModelProto, path: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16  # after `service.onnx_runtime`

    onnx.save(convert_float_to_float16(model, keep_io_types=True), path)


def _gap(task: Task, found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    widths = [high - low for low, high in task.ranges.values()]
    return float(np.max(np.abs(found - expected) / widths))


def _same_labels(
    tasks: Sequence[Task], found: Sequence[NDArray[np.float32]], expected: Sequence[NDArray[np.float32]], clips: int
) -> int:
    for task, ours, theirs in zip(tasks, found, expected, strict=True):
        if isinstance(task, ExpressionTask):
            return int(np.sum(ours.argmax(axis=1) == theirs.argmax(axis=1)))
    return clips


def _check(precision: VariantPrecision, gap: float, same: int, clips: int, data: str) -> None:
    if gap <= VARIANT_TOLERANCE and same >= VARIANT_SAME_LABEL * clips:  # false for NaN
        return
    raise VariantRefused(
        f"In {precision} the model differs too much from float32, on {clips} clips of {data}: probabilities and values "
        f"by up to {gap:.4f} of their range (at most {VARIANT_TOLERANCE:g} is allowed), and {same} of the clips keep "
        f"their most probable expression (at least {VARIANT_SAME_LABEL:.1%} must). Compare on clips of faces with "
        f"--clips, or leave out --{precision}."
    )
