from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from service.worker.onnx_model import OnnxModel
from service.worker.settings import DEFAULT_BUNDLE
from tests.bench.figures import Figure
from tests.processes import mien_serve

_REPEATS = 3


def run(folder: Path) -> Iterator[Figure]:
    """Measure how soon the command answers, the service is ready, and the default bundle is open."""
    mien = Path(sys.executable).with_name("mien")
    helped = _median(lambda _: subprocess.run([mien, "--help"], capture_output=True, check=True))
    yield Figure("mien --help", helped, "s", "≤ 0.3")
    yield Figure("mien serve, to ready", _median(lambda number: _serve(folder / str(number))), "s", "≤ 3")
    yield Figure("opening and warming up the default bundle", _median(lambda _: OnnxModel(DEFAULT_BUNDLE, "cpu")), "s")


def _serve(folder: Path) -> float:
    folder.mkdir()
    began = time.perf_counter()
    with mien_serve(folder):
        return time.perf_counter() - began


def _median(action: Callable[[int], object]) -> float:
    """Return the median of the seconds that an action returns, or else takes."""
    seconds = []
    for number in range(_REPEATS):
        began = time.perf_counter()
        found = action(number)
        seconds.append(found if isinstance(found, float) else time.perf_counter() - began)
    return statistics.median(seconds)
