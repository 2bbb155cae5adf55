from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from service.worker.cpus import available_cpus
from service.worker.onnx_model import BUCKETS, OnnxModel
from service.worker.settings import DEFAULT_BUNDLE


def run(_: Path) -> None:
    """Clips a second of the default bundle on ONNX Runtime's CPU provider, by batch size."""
    model = OnnxModel(DEFAULT_BUNDLE, "cpu")
    print(f"{model.info.name} {model.info.version}, {available_cpus()} threads")
    for size in BUCKETS:
        clips = np.random.default_rng(0).integers(0, 256, (size, *model.manifest.input.shape), np.uint8)
        seconds = []
        for _ in range(7):
            started = time.perf_counter()
            model.run(clips)
            seconds.append(time.perf_counter() - started)
        median = statistics.median(seconds)
        print(f"batch {size:2d}: {size / median:6.1f} clips/s, {1000 * median:6.1f} ms a batch (median of 7)")
