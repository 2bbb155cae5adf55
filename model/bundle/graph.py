"""Export a model as an ONNX graph, and compare the outputs of the two.

`mien.contract.bundle` defines the graph's conventions: uint8 RGB clips in, one named output per task, the embedding.
The file also holds what training needs to start from it (`read_back`): each weight under its name in the model's state
dict after `PREFIX`, and the encoder's size as JSON under `SIZE` in the metadata.

B clips, T frames, D width.
"""

from __future__ import annotations

import contextlib
import copy
import json
import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from onnxscript import ir, optimizer
from torch import Tensor, nn

from mien.contract.bundle import ClipInput
from model.bundle.read_back import PREFIX, SIZE
from model.bundle.runtime import open_graph
from model.bundle.translations import TRANSLATIONS
from model.tasks.learnt import served
from model.tpsbt.affect_model import AffectModel

OPSET = 18  # old enough for every execution provider that the worker may run on
EMBEDDING = "embedding"
FOLD_LIMIT = 2**24
"""Maximum number of elements of constants that are folded at export: more than any table of positions has."""
_COMPARED = 4  # different clips in a comparison; a larger batch repeats them, for PyTorch is the slower of the two


class Graph(nn.Module):
    """A copy of a model in evaluation mode with the inputs and outputs of the bundle's graph.

    Args:
        model: the model; it is not changed.
        clip: the mean and standard deviation to normalise by, and the input's shape.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: AffectModel, clip: ClipInput) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu()
        self.clip = clip
        self.tasks = served(model.tasks)
        self.outputs = (*(task.output for task in self.tasks), EMBEDDING)
        self.register_buffer("mean", 255 * torch.tensor(clip.mean).view(3, 1, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(clip.std).view(3, 1, 1, 1))
        self.eval()

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        """Predict from uint8 clips (B, T, H, W, 3); return float32 (B, columns) for each of `outputs`, in order."""
        pixels = clips.permute(0, 4, 1, 2, 3).float()  # (B, T, H, W, 3) → (B, 3, T, H, W)
        seen = self.model((pixels - self.mean) / self.std)
        read = self.model.read(seen.outputs)
        return *(read[task.kind] for task in self.tasks), seen.embedding


def write_graph(graph: Graph, path: Path) -> None:
    """Write the ONNX file, weights inside; the same weights give the same bytes."""
    example = torch.zeros(2, *graph.clip.shape, dtype=torch.uint8)
    # With gradients, linear layers would be traced as the convolutions that train faster (`model/cpu_kernels.py`).
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the exporter warns about itself
        program = cast(
            "torch.onnx.ONNXProgram",
            torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("B")},),
                input_names=[graph.clip.name],
                output_names=list(graph.outputs),
                opset_version=OPSET,
                custom_translation_table=TRANSLATIONS,
                verbose=False,
                optimize=False,  # see below
            ),
        )
    with _weights_as_inputs(program.model, {PREFIX + name for name in graph.model.state_dict()}):
        optimizer.optimize(program.model, input_size_limit=FOLD_LIMIT, output_size_limit=FOLD_LIMIT)
    made = _without_traces(program.model_proto)
    onnx.helper.set_model_props(made, {SIZE: json.dumps(graph.model.size._asdict())})
    onnx.save(made, path)


def difference(
    graph: Graph, path: Path, batch_sizes: tuple[int, ...], progress: Callable[[str], None] = lambda _: None
) -> float:
    """Return the largest absolute difference of any output, PyTorch against ONNX Runtime, on random clips.

    Args:
        graph: the model.
        path: the ONNX file made of it.
        batch_sizes: of ONNX Runtime; each is run once.
        progress: called with the name of each step when it begins.
    """
    progress("Running PyTorch")
    distinct = min(_COMPARED, max(batch_sizes))
    clips = np.random.default_rng(0).integers(0, 256, (distinct, *graph.clip.shape), dtype=np.uint8)
    with torch.no_grad():
        expected = [output.numpy() for output in graph(torch.from_numpy(clips))]
    session = open_graph(path)
    gaps = []
    for size in batch_sizes:
        progress(f"Running ONNX Runtime on a batch of {size}")
        which = np.arange(size) % distinct
        found = session.run(list(graph.outputs), {graph.clip.name: clips[which]})
        gaps += [np.abs(ours[which] - theirs).max() for ours, theirs in zip(expected, found, strict=True)]
    return float(np.max(gaps))  # NaN if any difference is


@contextlib.contextmanager
def _weights_as_inputs(model: ir.Model, names: Collection[str]) -> Iterator[None]:
    """Make weights inputs of the graph for a while, so that nothing is folded into them, joined or renamed.

    ONNX Runtime and its providers fold them when they open the file.
    """
    graph = model.graph
    weights = [value for name, value in graph.initializers.items() if name in names]
    contents = [value.const_value for value in weights]
    for value in weights:
        graph.initializers.pop(cast("str", value.name))
        value.const_value = None
        graph.inputs.append(value)
    yield
    for value, content in zip(weights, contents, strict=True):
        graph.inputs.remove(value)
        value.const_value = content
        if value.uses():
            graph.register_initializer(value)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the exporter's metadata: stack traces with file paths of the machine it ran on."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model
