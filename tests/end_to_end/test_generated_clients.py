"""Clients that others' tools generate from docs/openapi.json: made without a warning, compiled, and tried."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mien.contract.bundle import Manifest
from tests.processes import HANG_S, Served

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "docs" / "openapi.json"
SCRIPTS = ROOT / "tests" / "generated_clients"
GENERATOR = Path(sys.prefix) / "generator" / "bin"
TOOLS = ROOT / ".venv" / "npm" / "node_modules"  # `make test` installs them, as SCRIPTS' package-lock.json says


def run(*command: object, **how: object) -> str:
    """Run a command that must succeed; return what it says."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=HANG_S,
        **how,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def check(said: str, manifest: Manifest) -> None:
    """Check what the clients print of a video of one face."""
    (labels,) = (task.labels for task in manifest.tasks if task.kind == "expression")
    found = json.loads(said)
    (label,) = found.pop("labels")
    assert label in labels
    assert found == {"state": "succeeded", "newest": True, "code": "not_found"}


@pytest.mark.skipif(not GENERATOR.is_dir(), reason="the generator is not installed; `make test` does it")
def test_python(served: Served, face: Path, manifest: Manifest, tmp_path: Path):
    options = tmp_path / "options.yml"
    options.write_text("post_hooks: []\n")  # no formatting
    python = GENERATOR / "python"
    said = run(
        *(GENERATOR / "openapi-python-client", "generate", "--path", OPENAPI, "--meta", "none", "--config", options),
        *("--fail-on-warning", "--output-path", tmp_path / "mien_client"),
    )
    assert "Warning" not in said
    run(python, "-W", "error", "-m", "compileall", "-q", tmp_path / "mien_client")

    script = SCRIPTS / "client.py"
    check(
        run(python, "-W", "error", script, served.url, face, env={**os.environ, "PYTHONPATH": str(tmp_path)}),
        manifest,
    )


@pytest.mark.skipif(not TOOLS.is_dir(), reason="npm's packages are not installed; `make test` does it where npm is")
def test_typescript(served: Served, face: Path, manifest: Manifest, tmp_path: Path):
    node = shutil.which("node")
    (tmp_path / "node_modules").symlink_to(TOOLS)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(SCRIPTS / "client.ts", tmp_path)
    run(node, TOOLS / "openapi-typescript" / "bin" / "cli.js", OPENAPI, "--output", tmp_path / "api.ts")
    strict = ["--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext", "--types", "node"]
    said = run(node, TOOLS / "typescript" / "bin" / "tsc", *strict, "client.ts", cwd=tmp_path)
    assert not said

    check(run(node, tmp_path / "client.js", served.url, face), manifest)
