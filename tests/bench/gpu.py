"""Measure the paper's size and the default bundle on a GPU: `python -m tests.bench.gpu`, in five minutes.

It needs PyTorch with CUDA and `onnxruntime-gpu`, nothing from outside. `--provider cpu --size tiny` tries the script
itself where there is no GPU.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from mien.contract.bundle import Precision, read_bundle
from model.bundle import parity_clips, variants
from model.bundle.graph import Graph
from service.onnx_runtime import onnxruntime
from service.worker import session
from service.worker.onnx_model import OnnxModel
from service.worker.settings import DEFAULT_BUNDLE
from tests.bench.figures import HEAD, Figure, machine, row
from tests.bench.turns import by_turns
from tests.bench.untrained import export_untrained

_BATCHES = (1, 16, 64)
_REPEATS = 20
_COMPARED = 8  # clips on which float16 is compared: an export takes 200, for minutes
_CLIPS = {"base": (16, 160), "small": (16, 160), "tiny": (8, 112)}  # frames and pixels
_TARGETS = {1: "≥ 400", 64: "≥ 3000"}


def run(folder: Path, size: str, provider: str) -> Iterator[Figure]:
    """Measure everything."""
    if provider == "cuda":
        onnxruntime.preload_dlls()
    # The difference is a figure here, and refuses nothing.
    with patch.object(parity_clips, "CLIPS", _COMPARED), patch.object(variants, "VARIANT_TOLERANCE", 1):
        began = time.perf_counter()
        model, clip = export_untrained(folder / size, size, *_CLIPS[size], variants=("float16",))
    yield Figure(f"{size}: export", time.perf_counter() - began, "s")
    [variant] = read_bundle(folder / size)[0].variants
    gap = variant.parity.max_abs_difference
    yield Figure(f"{size}, float16: largest difference from float32 on the processor", gap, "of a range", "≤ 0.01")
    eager = Graph(model, clip)
    compiled = {batch: _rate(_torch(eager, provider, batch), batch) for batch in _BATCHES}
    for name, bundle, precisions in (
        ("default bundle", DEFAULT_BUNDLE, ("float32",)),
        (size, folder / size, ("float32", "float16")),
    ):
        for precision in precisions:
            yield from _served(bundle, f"{name}, {precision}", precision, provider, _TARGETS if name == "base" else {})
    for batch, rate in compiled.items():
        yield Figure(f"{size}, PyTorch, bfloat16, compiled, batch {batch}", rate, "clips/s")


def _served(bundle: Path, name: str, precision: Precision, provider: str, targets: dict[int, str]) -> Iterator[Figure]:
    """Measure a bundle as a worker runs it, and with each kernel launched by itself."""
    began = time.perf_counter()
    model = OnnxModel(bundle, provider, precision=precision)
    yield Figure(f"{name}: opening and warming up", time.perf_counter() - began, "s")
    plain = None
    if provider == "cuda":
        with patch.object(session, "CudaGraphRuns", side_effect=RuntimeError("left out here")):
            plain = OnnxModel(bundle, provider, precision=precision)
    for batch in _BATCHES:
        clips = np.random.default_rng(0).integers(0, 256, (batch, *model.manifest.input.shape), np.uint8)
        target = targets.get(batch, "") if precision == "float16" else ""
        yield Figure(f"{name}, batch {batch}", _rate(partial(model.run, clips), batch), "clips/s", target)
        if plain is not None:
            rate = _rate(partial(plain.run, clips), batch)
            yield Figure(f"{name}, batch {batch}, without CUDA graphs and I/O binding", rate, "clips/s")


def _rate(action: Callable[[], object], batch: int) -> float:
    for _ in range(3):
        action()
    [seconds] = by_turns([action], _REPEATS)
    return batch / seconds


def _torch(graph: Graph, provider: str, batch: int) -> Callable[[], object]:
    on_gpu = provider == "cuda"
    module = graph.cuda() if on_gpu else graph
    compiled = torch.compile(module, mode="max-autotune-no-cudagraphs") if on_gpu else module
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (batch, *graph.clip.shape), np.uint8))

    def action() -> object:
        with torch.no_grad(), torch.autocast("cuda" if on_gpu else "cpu", torch.bfloat16):
            return [output.float().cpu() for output in compiled(pixels.cuda() if on_gpu else pixels)]

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
