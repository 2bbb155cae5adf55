from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mien.contract.bundle import file_sha256


class BundleFolder:
    """A bundle whose graph is any bytes: its manifest as a dict to change, and `write` to put it on disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        (folder / "model.onnx").write_bytes(b"graph")
        (folder / "MODEL_CARD.md").write_text("# Card\n")
        self.manifest: dict[str, Any] = {
            "schema_version": 1,
            "name": "tiny",
            "version": "1.0",
            "graph": "model.onnx",
            "input": {"frames": 4, "interval_s": 0.1, "size": 8, "mean": [0, 0, 0], "std": [1, 1, 1]},
            "crop": {"margin": 0.2},
            "hop_s": 0.5,
            "tasks": [{"kind": "expression", "labels": ["calm", "glad"]}],
            "training": {"trained": False, "data": "none"},
            "licence": "MIT",
            "intended_use": "tests",
            "parity": {"max_abs_difference": 0, "batch_sizes": [1]},
            "files": {name: file_sha256(folder / name) for name in ("model.onnx", "MODEL_CARD.md")},
        }

    def write(self) -> Path:
        (self.path / "manifest.json").write_text(json.dumps(self.manifest))
        return self.path


@pytest.fixture
def bundle(tmp_path: Path) -> BundleFolder:
    (tmp_path / "bundle").mkdir()
    return BundleFolder(tmp_path / "bundle")
