from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from model.bundle.graph import Graph
from service.worker.cpus import available_cpus
from service.worker.onnx_model import OnnxModel
from tests.bench.figures import Figure
from tests.bench.inference import by_turns
from tests.bench.untrained import export_untrained

_REPEATS = 3


def run(folder: Path) -> Iterator[Figure]:
    """Measure the paper's size: its export step by step, its opening, and PyTorch and ONNX Runtime in turns."""
    torch.set_num_threads(available_cpus())
    steps: list[tuple[str, float]] = []
    model, clip = export_untrained(
        folder / "base", "base", 16, 160, progress=lambda step: steps.append((step, time.perf_counter()))
    )
    ends = [began for _, began in steps[1:]] + [time.perf_counter()]
    for (step, began), end in zip(steps, ends, strict=True):
        yield Figure(f"export: {step[0].lower()}{step[1:]}", end - began, "s")
    began = time.perf_counter()
    served = OnnxModel(folder / "base", "cpu")
    yield Figure("opening and warming up the bundle", time.perf_counter() - began, "s")
    eager = Graph(model, clip)
    for size in (1, 8):
        clips = np.random.default_rng(0).integers(0, 256, (size, *clip.shape), np.uint8)
        with torch.no_grad():
            theirs, ours = by_turns([partial(eager, torch.from_numpy(clips)), partial(served.run, clips)], _REPEATS)
        yield Figure(f"batch {size}, PyTorch, eager, float32", size / theirs, "clips/s")
        yield Figure(f"batch {size}, ONNX Runtime", size / ours, "clips/s")
        yield Figure(f"batch {size}, ONNX Runtime to PyTorch", theirs / ours, "times", "≥ 1.2")
