"""Bundles for tests: a graph of a few nodes whose outputs are known in advance.

Each output's column i is `weights[i] · m + biases[i]`, where m in [0, 1] is the mean of all pixels of the clip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mien.contract.bundle import file_sha256

Columns = Sequence[tuple[float, float]]
"""(weight, bias) of each column."""

EXPRESSION = {"kind": "expression", "labels": ["dark", "bright"]}
DIMENSIONS = {
    "kind": "dimensions",
    "dimensions": [{"name": "valence"}, {"name": "arousal", "minimum": 0, "maximum": 10}],
}
PERSONALITY = {"kind": "personality", "traits": ["openness", "neuroticism"]}

COLUMNS: dict[str, Columns] = {
    "expression": [(-1, 1), (1, 0)],
    "dimensions": [(2, -1), (10, 0)],
    "personality": [(1, 0), (0, 0.25)],
}


def write_bundle(
    folder: Path,
    tasks: Sequence[Mapping[str, Any]] = (EXPRESSION, DIMENSIONS, PERSONALITY),
    *,
    name: str = "tiny",
    frames: int = 4,
    interval_s: float = 0.1,
    size: int = 16,
    hop_s: float = 0.2,
    trained: bool = True,
    warnings: Sequence[str] = (),
    graph: onnx.ModelProto | None = None,
    variants: Mapping[str, onnx.ModelProto] | None = None,
    **changes: Any,
) -> Path:
    """Write a bundle into `folder`, which is created, and return it; `changes` are put into the manifest unchecked."""
    variants = variants or {}
    folder.mkdir(parents=True)
    if graph is None:
        graph = brightness((frames, size, size, 3), {task["kind"]: COLUMNS[task["kind"]] for task in tasks})
    onnx.save(graph, folder / "model.onnx")
    for precision, other in variants.items():
        onnx.save(other, folder / f"model.{precision}.onnx")
    (folder / "MODEL_CARD.md").write_text("# A model for tests\n")
    parity = {"max_abs_difference": 0, "same_label": 1, "clips": 1, "data": "none"}
    manifest = {
        "name": name,
        "version": "1.0",
        "input": {"frames": frames, "interval_s": interval_s, "size": size, "mean": [0, 0, 0], "std": [1, 1, 1]},
        "crop": {"margin": 0.2},
        "hop_s": hop_s,
        "tasks": list(tasks),
        "training": {"trained": trained, "data": "none", "warnings": list(warnings)},
        "licence": "MIT",
        "intended_use": "tests",
        "parity": {"max_abs_difference": 0, "batch_sizes": [1]},
        "variants": [{"precision": one, "graph": f"model.{one}.onnx", "parity": parity} for one in variants],
        "files": {file.name: file_sha256(file) for file in folder.iterdir()},
    } | changes
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def brightness(
    clip: Sequence[int | str],
    outputs: Mapping[str, Columns],
    *,
    input_name: str = "clip",
    input_type: int = TensorProto.UINT8,
    batch: int | str = "B",
    embedding: str = "embedding",
) -> onnx.ModelProto:
    """Return the graph: (B, *clip) → each output (B, columns), and the embedding (B, 1), which is m."""
    constants, nodes = [numpy_helper.from_array(np.float32(1 / 255), "scale")], []
    nodes.append(helper.make_node("Cast", [input_name], ["pixels"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3, 4], keepdims=0))
    constants.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "column"))
    nodes.append(helper.make_node("Reshape", ["mean", "column"], ["upright"]))
    nodes.append(helper.make_node("Mul", ["upright", "scale"], [embedding]))
    infos = [helper.make_tensor_value_info(embedding, TensorProto.FLOAT, [batch, 1])]
    for name, columns in outputs.items():
        weights, biases = np.array(columns, np.float32).T
        constants.append(numpy_helper.from_array(weights[None], f"{name}_w"))
        constants.append(numpy_helper.from_array(biases, f"{name}_b"))
        nodes.append(helper.make_node("Gemm", [embedding, f"{name}_w", f"{name}_b"], [name]))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, len(columns)]))
    inputs = [helper.make_tensor_value_info(input_name, input_type, [batch, *clip])]
    made = helper.make_model(
        helper.make_graph(nodes, "brightness", inputs, infos, constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made
