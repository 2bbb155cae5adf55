"""Read an encoder's weights back from a bundle's graph, so that training can go on from a bundle.

The graph computes with the weights, but not under their names, and with batch normalisation folded into convolutions.
It has them in the order in which the model uses them, however: the n-th affine operation of the graph is the n-th of
the model. Which size of the zoo it is shows in their shapes; that all was understood shows in the embedding, which must
be the graph's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from mien.contract.bundle import Manifest, read_bundle
from mien.contract.errors import BundleRefused
from model.bundle.graph import Graph
from model.bundle.runtime import open_graph
from model.errors import ModelError
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.attention import CrossAttention, SelfAttention
from model.tpsbt.zoo import ZOO, Size
from model.train import checkpoint

Array = NDArray[np.float32]

KIND = "bundle"
"""The kind of a start that was read from a bundle: an encoder, and what the bundle is called."""
_TOLERANCE = 1e-3
_CLIPS = 2


def read_start(path: Path) -> dict[str, Any]:
    """Return the state to start from: a checkpoint's, or a bundle's encoder.

    Raises:
        ModelError: see `checkpoint.load` and `encoder_of`.
    """
    return encoder_of(path) if path.is_dir() else checkpoint.load(path)


def encoder_of(bundle: Path) -> dict[str, Any]:
    """Return a bundle's encoder as a checkpoint's state.

    Raises:
        ModelError: the folder is no bundle, or its graph is not one that `export` writes of a size of the zoo.
    """
    try:
        manifest, _ = read_bundle(bundle)
    except BundleRefused as error:
        raise ModelError(f"{bundle} is no bundle to start from: {error}") from error
    path = bundle / manifest.graph
    pairs = list(_pairs(onnx.load(path).graph))
    widths = {len(weight) for weight, _ in pairs if weight.ndim == 1}  # of norms
    for size in (size for size in ZOO.values() if size.width in widths):
        model = _filled(size, manifest, pairs)
        if model is not None and _difference(model, manifest, path) < _TOLERANCE:
            weights = {name: weight for name, weight in model.state_dict().items() if name.startswith("encoder.")}
            about = {"data": [f"the data of {manifest.name} {manifest.version}, whose encoder it started from"]}
            return {"kind": KIND, "size": size._asdict(), "model": weights, "about": about}
    raise ModelError(
        f"The encoder of {bundle} cannot be read back from its graph: start from the checkpoint that it was exported "
        "from."
    )


def settle_norms(encoder: nn.Module, clips: Tensor) -> None:
    """Give batch normalisation its statistics back, from some clips; what the encoder computes stays the same.

    Read back, it only adds a bias. Training divides by the statistics of a batch: so the inverse goes into its weights.

    Args:
        encoder: in evaluation mode.
        clips: normalised, (B, 3, frames, height, width).
    """

    def settle(norm: Any, inputs: tuple[Tensor]) -> None:  # noqa: ANN401 - PyTorch's buffers may be None
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.bias.add_(mean)
        norm.weight.copy_((variance + norm.eps).sqrt())

    hooks = [m.register_forward_pre_hook(settle) for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        encoder(clips)
    for hook in hooks:
        hook.remove()


@dataclass(frozen=True)
class _Operation:
    """An affine operation of the model: its weight, and the parts of its bias, of which keys have none (a width)."""

    weight: Tensor
    biases: tuple[Tensor | int, ...]

    def take(self, weight: Array, bias: Array) -> bool:
        """Copy the graph's weight and bias; return whether they have the shapes."""
        sizes = [part if isinstance(part, int) else part.numel() for part in self.biases]
        if weight.shape[0] != self.weight.shape[0] or weight.size != self.weight.numel() or bias.size != sum(sizes):
            return False
        self.weight.copy_(torch.from_numpy(weight.copy()).reshape(self.weight.shape))
        for part, found in zip(self.biases, torch.split(torch.from_numpy(bias.copy()), sizes), strict=True):
            if not isinstance(part, int):
                part.copy_(found)
        return True


def _filled(size: Size, manifest: Manifest, pairs: Sequence[tuple[Array, Array]]) -> AffectModel | None:
    """Return a model of a size with the graph's weights; None if they do not fit."""
    clip = manifest.input
    model = AffectModel(size, manifest.tasks, clip=(clip.frames, clip.size)).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
                module.weight.fill_(1)  # then it adds a bias, and nothing else
                module.running_var.fill_(1 - module.eps)
        operations = list(_operations(model, torch.zeros(1, 3, clip.frames, clip.size, clip.size)))
        if len(operations) != len(pairs):
            return None
        fits = all(operation.take(*pair) for operation, pair in zip(operations, pairs, strict=True))
    return model if fits else None


def _operations(model: nn.Module, clips: Tensor) -> Iterator[_Operation]:
    """Yield a model's affine operations in the order in which it uses them."""
    used: dict[nn.Module, None] = {}  # in order, each once
    hooks = [
        module.register_forward_pre_hook(lambda module, _: used.setdefault(module))
        for module in model.modules()
        if not isinstance(module, nn.ModuleList)
    ]
    model(clips)
    for hook in hooks:
        hook.remove()
    modules = list(used)
    for module, following in zip(modules, [*modules[1:], None], strict=True):
        match module:
            case SelfAttention():
                width = module.q_bias.numel()
                yield _Operation(module.qkv.weight, (module.q_bias, width, module.v_bias))
            case CrossAttention():
                yield _Operation(module.q.weight, (module.q_bias,))
                yield _Operation(module.kv.weight, (module.v_bias.numel(), module.v_bias))
            case nn.Conv2d() if isinstance(following, nn.BatchNorm2d):
                yield _Operation(module.weight, (following.bias,))
            case nn.Linear() | nn.LayerNorm() | nn.Conv1d() | nn.Conv3d():
                yield _Operation(module.weight, (cast("Tensor", module.bias),))


def _pairs(graph: onnx.GraphProto) -> Iterator[tuple[Array, Array]]:
    """Yield the weight and the bias of a graph's affine operations in order, each once."""
    known = {constant.name: constant for constant in graph.initializer}
    added = {  # a product and the bias that is added to it
        product: bias
        for node in graph.node
        if node.op_type == "Add"
        for product, bias in (node.input, reversed(node.input))
        if bias in known and len(known[bias].dims) == 1
    }
    seen = set()
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "LayerNormalization", "MatMul") or node.input[1] not in known:
            continue
        name = node.input[2] if len(node.input) > 2 else added.get(node.output[0], "")
        if name not in known or (node.input[1], name) in seen:
            continue
        seen.add((node.input[1], name))
        weight, bias = (numpy_helper.to_array(known[each]) for each in (node.input[1], name))
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        rows_last = node.op_type == "MatMul" or (node.op_type == "Gemm" and not transposed)
        yield weight.T if rows_last else weight, bias


def _difference(model: AffectModel, manifest: Manifest, path: Path) -> float:
    """Return the largest difference of the embeddings of a few random clips."""
    clips = np.random.default_rng(0).integers(0, 256, (_CLIPS, *manifest.input.shape), dtype=np.uint8)
    with torch.no_grad():
        *_, ours = Graph(model, manifest.input)(torch.from_numpy(clips))
    [theirs] = open_graph(path).run([manifest.embedding], {manifest.input.name: clips})
    return float(np.abs(ours.numpy() - theirs).max())
