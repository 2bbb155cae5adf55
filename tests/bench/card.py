"""Measure the paper's size and the default bundle on a graphics card: `python -m tests.bench.card`, in five minutes.

It needs PyTorch with CUDA and `onnxruntime-gpu`, nothing from outside. `--provider cpu --size tiny` tries the script
itself where there is no card. Beside the product's session it measures what a file in float16 with fused attention, I/O
binding and CUDA graphs would give, and PyTorch's compiled bfloat16.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import torch
from onnxscript import opset18 as op
from onnxscript.values import Opset

from model.bundle.graph import Graph, write_graph
from model.bundle.translations import TRANSLATIONS
from model.tpsbt.zoo import ZOO
from service.onnx_runtime import onnxruntime
from service.worker.onnx_model import OnnxModel
from service.worker.session import PROVIDERS
from service.worker.settings import DEFAULT_BUNDLE
from tests.bench.figures import HEAD, Figure, machine, row
from tests.bench.turns import by_turns
from tests.bench.untrained import export_untrained

_BATCHES = (1, 16, 64)
_REPEATS = 20
_CLIPS = {"base": (16, 160), "small": (16, 160), "tiny": (8, 112)}  # frames and pixels


def run(folder: Path, size: str, provider: str) -> Iterator[Figure]:
    """Measure everything."""
    if provider == "cuda":
        onnxruntime.preload_dlls()
    served = OnnxModel(DEFAULT_BUNDLE, provider)
    yield from _product(served, "default bundle")
    frames, pixels = _CLIPS[size]
    model, clip = export_untrained(folder / "bundle", size, frames, pixels)
    yield from _product(OnnxModel(folder / "bundle", provider), size)
    graph = Graph(model, clip)
    half = _half(graph, ZOO[size].heads, folder)
    yield Figure(f"{size}, float16: largest difference from float32 on the processor", _gap(graph, half, provider), "")
    for batch in _BATCHES:
        clips = np.random.default_rng(0).integers(0, 256, (batch, *clip.shape), np.uint8)
        for replayed in (False, True) if provider == "cuda" else (False,):
            action = _bound(half, provider, clips, graph.outputs, replayed=replayed)
            what = f"{size}, float16, fused attention, I/O binding{', CUDA graph' * replayed}, batch {batch}"
            yield _rate(what, action, batch, {1: "≥ 400", 64: "≥ 3000"}.get(batch, "") if replayed else "")
        yield _rate(f"{size}, PyTorch, bfloat16, compiled, batch {batch}", _torch(graph, provider, clips), batch)


def _product(model: OnnxModel, name: str) -> Iterator[Figure]:
    for batch in (1, 16):
        clips = np.zeros((batch, *model.manifest.input.shape), np.uint8)
        yield _rate(f"{name}, the worker's session, batch {batch}", partial(model.run, clips), batch)


def _rate(what: str, action: Callable[[], object], batch: int, target: str = "") -> Figure:
    for _ in range(3):
        action()
    [seconds] = by_turns([action], _REPEATS)
    return Figure(what, batch / seconds, "clips/s", target)


def _half(graph: Graph, heads: int, folder: Path) -> Path:
    """Write the graph in float16 with ONNX Runtime's fused attention."""
    from onnxruntime.transformers.float16 import convert_float_to_float16  # after `service.onnx_runtime`

    fused = Opset("com.microsoft", 1)

    def attention(*inputs: Any) -> Any:
        # (B, H, N, D/H) → (B, N, H, D/H) → (B, N, D); ONNX Runtime cancels these against the model's own
        merged = [op.Reshape(op.Transpose(one, perm=[0, 2, 1, 3]), [0, 0, -1]) for one in inputs]
        mixed = fused.MultiHeadAttention(*merged, num_heads=heads)
        return op.Transpose(op.Reshape(mixed, [0, 0, heads, -1]), perm=[0, 2, 1, 3])

    with patch.dict(TRANSLATIONS, {torch.ops.aten.scaled_dot_product_attention.default: attention}):
        write_graph(graph, folder / "fused.onnx")
    converted = convert_float_to_float16(onnx.load(folder / "fused.onnx"), keep_io_types=True)
    onnx.save(converted, folder / "half.onnx")
    return folder / "half.onnx"


def _session(path: Path, provider: str, **options: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=[(PROVIDERS[provider], options)])


def _gap(graph: Graph, half: Path, provider: str) -> float:
    clips = np.random.default_rng(1).integers(0, 256, (2, *graph.clip.shape), np.uint8)
    with torch.no_grad():
        expected = [output.numpy() for output in graph(torch.from_numpy(clips))]
    found = _session(half, provider).run(list(graph.outputs), {graph.clip.name: clips})
    return max(float(np.abs(ours - theirs).max()) for ours, theirs in zip(expected, found, strict=True))


def _bound(
    path: Path, provider: str, clips: np.ndarray, outputs: tuple[str, ...], *, replayed: bool
) -> Callable[[], object]:
    """Return a run with its input and outputs on the device, each clip copied there anew."""
    session = _session(path, provider, **({"enable_cuda_graph": "1"} if replayed else {}))
    device = "cuda" if provider == "cuda" else "cpu"
    shapes = {output.name: (len(clips), *output.shape[1:]) for output in session.get_outputs()}
    there = onnxruntime.OrtValue.ortvalue_from_numpy(clips, device, 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, there)
    for name in outputs:
        values = np.zeros(shapes[name], np.float32)
        binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(values, device, 0))

    def action() -> object:
        there.update_inplace(clips)
        session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    return action


def _torch(graph: Graph, provider: str, clips: np.ndarray) -> Callable[[], object]:
    on_card = provider == "cuda"
    module = graph.cuda() if on_card else graph
    compiled = torch.compile(module, mode="max-autotune-no-cudagraphs") if on_card else module

    def action() -> object:
        pixels = torch.from_numpy(clips)
        with torch.no_grad(), torch.autocast("cuda" if on_card else "cpu", torch.bfloat16):
            return [output.float().cpu() for output in compiled(pixels.cuda() if on_card else pixels)]

    return action


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=list(_CLIPS), default="base")
    parser.add_argument("--provider", choices=["cuda", "cpu"], default="cuda")
    asked = parser.parse_args()
    print(machine())
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name())
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        for figure in run(Path(scratch), asked.size, asked.provider):
            print(row("card", figure), flush=True)
