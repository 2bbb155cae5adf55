"""Generated files are up to date with their sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_docs_are_what_the_settings_and_the_rest_door_say():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_grpc_stubs_are_what_the_proto_says(tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            "-Iproto",
            f"--python_out={tmp_path}",
            f"--pyi_out={tmp_path}",
            f"--grpc_python_out={tmp_path}",
            "affect/v1/affect.proto",
        ],
        cwd=ROOT,
        check=True,
    )
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("affect_pb2*"))
    assert len(made) == 3
    for file in made:
        stub = (tmp_path / file).read_text().replace("\nfrom affect.v1 ", "\nfrom service.pb.affect.v1 ")
        assert (ROOT / "service" / "pb" / file).read_text() == stub, f"{file}: run `make proto`"


def test_proto_is_no_python_package():
    # An __init__.py there would shadow the stubs' imports.
    assert not list((ROOT / "proto").rglob("*.py"))
