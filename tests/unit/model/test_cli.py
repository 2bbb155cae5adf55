import subprocess
import sys

import pytest
from typer.testing import CliRunner

from model import default_bundle
from model.cli import app
from model.export import ExportRefused
from service.contract.bundle import Parity


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_export_default_takes_a_folder_and_a_seed(invoke, monkeypatch, tmp_path, facts, tasks):
    asked = []

    def fake(folder, seed):
        asked.append((folder, seed))
        parity = Parity(max_abs_difference=1.5e-6, batch_sizes=(1,))
        return type("Manifest", (), {"name": "mien-default", "version": "0.1.0", "parity": parity})

    monkeypatch.setattr(default_bundle, "export_default", fake)

    result = invoke("export-default", "--out", str(tmp_path / "there"), "--seed", "3")

    assert result.exit_code == 0
    assert asked == [(tmp_path / "there", 3)]
    assert "differ by 1.5e-06 at most" in result.output


def test_a_refused_export_ends_with_its_reason_and_status_1(invoke, monkeypatch, tmp_path):
    def refuse(folder, seed):
        raise ExportRefused("They differ.")

    monkeypatch.setattr(default_bundle, "export_default", refuse)

    result = invoke("export-default", "--out", str(tmp_path))

    assert result.exit_code == 1
    assert result.stderr == "They differ.\n"


def test_sizes_shows_a_row_for_each_size(invoke):
    lines = invoke("sizes").output.splitlines()

    (base,) = (line for line in lines if "base" in line)
    assert [cell.strip() for cell in base.split("│")[1:-1]] == ["base", "512", "8", "12-6-3", "77.6", "43.5"]
    assert any("small" in line for line in lines)
    assert any("tiny" in line for line in lines)


def test_help_does_not_wait_for_torch():
    look = "import sys, model.cli; print(sorted({'torch', 'onnx', 'onnxruntime', 'numpy'} & sys.modules.keys()))"

    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
