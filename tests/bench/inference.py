from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from model.tpsbt.complexity import complexity
from model.tpsbt.zoo import ZOO
from service.worker.onnx_model import OnnxModel
from service.worker.settings import DEFAULT_BUNDLE
from tests.bench.figures import Figure
from tests.bench.product import product_rate
from tests.bench.turns import by_turns

_REPEATS = 7
_BATCHES = (1, 2, 4, 8, 16)


def run(_: Path) -> Iterator[Figure]:
    """Measure the default bundle on ONNX Runtime's CPU provider, by batch size, and what its arithmetic allows."""
    model = OnnxModel(DEFAULT_BUNDLE, "cpu")
    frames, height, width, channels = model.manifest.input.shape
    macs = complexity(ZOO["tiny"], (1, channels, frames, height, width)).macs
    yield Figure("its operations, at the rate of one matrix product", product_rate() / macs, "clips/s")
    for size in _BATCHES:
        clips = np.random.default_rng(0).integers(0, 256, (size, *model.manifest.input.shape), np.uint8)
        [seconds] = by_turns([partial(model.run, clips)], _REPEATS)
        yield Figure(f"default bundle, batch {size}", size / seconds, "clips/s", "≥ 120" if size == 8 else "")
