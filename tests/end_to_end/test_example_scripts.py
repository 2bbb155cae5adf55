"""The scripts in `examples/`, each as its user runs it, against a running service."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import HANG_S, Served, mien_serve

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LINE = re.compile(r"^Person 1: \w+, \d+\.\d\d s to \d+\.\d\d s", re.MULTILINE)


def run(*command: object, **env: str) -> str:
    """Run a script; return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_client_prints_a_line_for_each_face(served: Served, face: Path):
    assert LINE.search(run(sys.executable, EXAMPLES / "analyze.py", face, served.url))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_curl_gives_the_answer_as_json(served: Served, face: Path):
    answer = json.loads(run(EXAMPLES / "analyze.sh", face, served.url))
    assert (answer["state"], len(answer["faces"])) == ("succeeded", 1)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_curl_sends_a_file_whatever_its_name(served: Served, face: Path, tmp_path: Path):
    video = shutil.copy(face, tmp_path / r'a;b, "c" \d;type=x.mp4')
    assert json.loads(run(EXAMPLES / "analyze.sh", video, served.url))["state"] == "succeeded"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_curl_asks_again_until_the_analysis_has_ended(tmp_path: Path, face: Path):
    with mien_serve(tmp_path, wait_s=0.05) as impatient:
        answer = json.loads(run(EXAMPLES / "analyze.sh", face, impatient.url))
    assert (answer["state"], len(answer["faces"])) == ("succeeded", 1)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not on this machine")
def test_javascript_prints_a_line_for_each_face(served: Served, face: Path):
    assert LINE.search(run("node", EXAMPLES / "analyze.mjs", face, served.url))


def test_grpc_prints_a_line_for_each_face(served: Served, face: Path):
    address = re.search(r"gRPC +(127\.0\.0\.1:\d+)", served.process.log.read_text())[1]
    assert LINE.search(run(sys.executable, EXAMPLES / "analyze_grpc.py", face, address))


def test_the_notebook_runs_from_top_to_bottom_and_has_no_outputs(served: Served, face: Path):
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    source = "\n".join("".join(cell["source"]) for cell in cells)
    script = f"{source}\nprint(len(analysis._repr_html_()), len(windows))\nprint(list(windows.columns))"

    said = run(sys.executable, "-c", script, MPLBACKEND="agg", MIEN_URL=served.url, MIEN_VIDEO=str(face))

    sizes, columns = said.strip().splitlines()[-2:]
    assert all(int(size) > 2 for size in sizes.split())
    assert {"person", "centre_s", "expression", "valence", "arousal", "quality"} <= set(ast.literal_eval(columns))
