from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from mien.contract.bundle import read_bundle
from model.bundle import parity_clips, variants
from model.bundle.graph import Graph
from model.tpsbt.complexity import complexity
from model.tpsbt.zoo import ZOO
from service.worker.cpus import available_cpus
from service.worker.onnx_model import OnnxModel
from service.worker.precision import PrecisionSetting
from tests.bench.figures import Figure
from tests.bench.product import product_rate
from tests.bench.turns import by_turns
from tests.bench.untrained import export_untrained

_REPEATS = 5
_COMPARED = 8  # clips on which int8 is compared: an export takes 200, for minutes
_TARGETS: dict[PrecisionSetting, str] = {"float32": "≥ 1.2", "int8": "≥ 2.4"}


def run(folder: Path) -> Iterator[Figure]:
    """Measure the paper's size: its export step by step, its opening, and PyTorch, ONNX Runtime and int8 in turns."""
    torch.set_num_threads(available_cpus())
    steps: list[tuple[str, float]] = []
    # The difference is a figure here, and refuses nothing.
    with patch.object(parity_clips, "CLIPS", _COMPARED), patch.object(variants, "VARIANT_TOLERANCE", 1):
        model, clip = export_untrained(
            folder / "base",
            "base",
            16,
            160,
            variants=("int8",),
            progress=lambda step: steps.append((step, time.perf_counter())),
        )
    ends = [began for _, began in steps[1:]] + [time.perf_counter()]
    for (step, began), end in zip(steps, ends, strict=True):
        yield Figure(f"export: {step[0].lower()}{step[1:]}", end - began, "s")
    [variant] = read_bundle(folder / "base")[0].variants
    yield Figure("int8: largest difference from float32", variant.parity.max_abs_difference, "of a range", "≤ 0.01")
    opened: dict[PrecisionSetting, OnnxModel] = {}
    settings: tuple[PrecisionSetting, ...] = ("float32", "int8", "auto")
    for precision in settings:
        began = time.perf_counter()
        opened[precision] = OnnxModel(folder / "base", "cpu", precision=precision)
        yield Figure(f"opening and warming up the bundle, {precision}", time.perf_counter() - began, "s")
    macs = complexity(ZOO["base"]).macs
    yield Figure("its operations, at the rate of one float32 matrix product", product_rate() / macs, "clips/s")
    eager = Graph(model, clip)
    for size in (1, 8):
        clips = np.random.default_rng(0).integers(0, 256, (size, *clip.shape), np.uint8)
        actions = [partial(eager, torch.from_numpy(clips)), *(partial(opened[one].run, clips) for one in _TARGETS)]
        with torch.no_grad():
            theirs, *ours = by_turns(actions, _REPEATS)
        yield Figure(f"batch {size}, PyTorch, eager, float32", size / theirs, "clips/s")
        for (precision, target), seconds in zip(_TARGETS.items(), ours, strict=True):
            yield Figure(f"batch {size}, ONNX Runtime, {precision}", size / seconds, "clips/s")
            yield Figure(f"batch {size}, ONNX Runtime, {precision}, to PyTorch", theirs / seconds, "times", target)
