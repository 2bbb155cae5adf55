"""Both ways to open a model, in processes of their own: ONNX Runtime decides on its telemetry when it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.worker.settings import WorkerSettings


@pytest.mark.parametrize(
    "opened",
    [
        "from service.worker.onnx_model import open_models; open_models([bundle], ['cpu'])",
        "from model.bundle.runtime import open_graph; open_graph(bundle / 'model.onnx')",
    ],
    ids=["worker", "training"],
)
def test_opening_a_model_writes_and_sends_no_telemetry(opened: str, tmp_path: Path):
    script = f"import sys, pathlib; bundle = pathlib.Path(sys.argv[1]); {opened}"
    # With each of these it would send nothing, or write elsewhere, whatever Mien does.
    others = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in others}

    bundle = WorkerSettings().bundles[0]
    subprocess.run([sys.executable, "-c", script, bundle], env={**environment, "HOME": str(tmp_path)}, check=True)

    assert list(tmp_path.iterdir()) == []
