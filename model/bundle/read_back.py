"""Read an encoder back from a bundle, so that training can start from it.

Training imports this, and no exporter: that would cost each of its processes 80 MiB.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from mien.contract.bundle import read_bundle
from mien.contract.errors import BundleRefused
from model.errors import ModelError
from model.tpsbt.encoder import Encoder
from model.train import checkpoint

PREFIX = "model."
"""What precedes a weight's name in the model's state dict in the names of the graph."""
SIZE = "encoder_size"
"""Key of the encoder's size, as JSON, in the graph's metadata."""


def read_start(path: Path) -> dict[str, Any]:
    """Read the state to start from: a checkpoint's, or the encoder in a bundle's folder.

    Raises:
        ModelError: see `checkpoint.load` and `encoder_of`.
    """
    return encoder_of(path) if path.is_dir() else checkpoint.load(path)


def encoder_of(bundle: Path) -> dict[str, Any]:
    """Return a bundle's encoder as an imported checkpoint's state. Heads stay behind: as a rule, labels are new.

    Raises:
        ModelError: the folder is no bundle, its graph does not name the weights, or they are not the encoder's.
    """
    try:
        manifest, _ = read_bundle(bundle)
    except BundleRefused as error:
        raise ModelError(f"{bundle} is no bundle to start from: {error}") from error
    graph = onnx.load(bundle / manifest.graph)
    described = {entry.key: entry.value for entry in graph.metadata_props}.get(SIZE)
    if described is None:
        raise ModelError(
            f"The graph of {bundle} does not name its weights, as those of earlier releases and of other exporters do "
            "not: export it again, or start from the checkpoint that it was exported from."
        )
    size = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(described).items()}
    weights = {
        each.name.removeprefix(PREFIX): torch.from_numpy(numpy_helper.to_array(each).copy())
        for each in graph.graph.initializer
        if each.name.startswith(PREFIX + checkpoint.ENCODER)
    }
    state = {
        "kind": "imported",
        "size": size,
        "about": {"data": [f"the data of {manifest.name} {manifest.version}, whose encoder it started from"]},
    }
    encoder = Encoder(checkpoint.size_of(state))
    return {**state, "model": weights | _counts(encoder)}


def _counts(encoder: nn.Module) -> dict[str, Tensor]:
    """Return batch normalisation's counts of batches, which no graph has; they only count while training."""
    return {
        checkpoint.ENCODER + name: value
        for name, value in encoder.state_dict().items()
        if name.endswith(".num_batches_tracked")
    }
