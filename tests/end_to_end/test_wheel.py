"""The wheel in an empty environment, as `pip install .` gives it to users."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
from pathlib import Path

from mien import AnalyzeOptions, Analysis, Mien, MienError


def labels(file: Path) -> list[str]:
    try:
        with Mien("http://127.0.0.1:9") as mien:
            analysis: Analysis = mien.analyze(file, AnalyzeOptions(start_s=1), faces=1)
    except MienError as error:
        return [error.code]
    return [face.expression.label for face in analysis.faces or [] if face.expression]


print(labels(Path(__file__)))
"""


def run(*command: object, cwd: Path, expected: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MIEN_"))}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def empty(tmp_path_factory, wheel):
    """An environment with the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    run(folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel, cwd=folder)
    return folder


@pytest.fixture
def project(tmp_path):
    """A user's folder, in which there is a `service` and a `model` of their own."""
    for name in ("service", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("THEIRS = True\n")
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def test_it_holds_the_package_and_nothing_else(wheel):
    with ZipFile(wheel) as archive:
        names = archive.namelist()

    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"mien"}
    assert "mien/py.typed" in names


def test_it_needs_none_of_the_servers_packages(empty):
    listed = run(empty / "bin/python", "-m", "pip", "list", "--format=freeze", cwd=empty).stdout.lower()

    assert "httpx2==" in listed
    for package in ("fastapi", "uvicorn", "redis", "grpcio", "numpy", "opencv", "onnxruntime", "torch", "obstore"):
        assert f"{package}" not in listed


def test_a_script_beside_a_service_folder_of_its_own_runs(empty, project):
    done = run(empty / "bin/python", "script.py", cwd=project)

    assert done.stdout.strip() == "['unreachable']"


def test_a_script_is_type_checked(empty, project):
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", empty / "bin/python", "script.py"]
    assert "no issues" in run(*mypy, cwd=project).stdout

    for right, wrong, told in (
        ("faces=1", "faces='one'", "arg-type"),
        ("analyze(file", "analyse(file", 'has no attribute "analyse"'),
    ):
        (project / "script.py").write_text(SCRIPT.replace(right, wrong))
        assert told in run(*mypy, cwd=project, expected=1).stdout


def test_importing_it_changes_nothing_in_the_environment(empty, project):
    script = "import os; before = dict(os.environ); import mien; assert dict(os.environ) == before"
    run(empty / "bin/python", "-c", script, cwd=project)


def test_the_version_is_the_packages(empty, project):
    said = run(empty / "bin/mien", "--version", cwd=project).stdout
    script = (
        "import mien, importlib.metadata as m; assert m.version('mien') == mien.__version__; print(mien.__version__)"
    )

    assert said == f"mien {run(empty / 'bin/python', '-c', script, cwd=project).stdout}"


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["analyze", "script.py", "--local"],
        ["analyze", "script.py", "--annotate", "seen.mp4"],
        ["report", "script.py", "--out", "report.html", "--local"],
        ["live", "0"],
        ["keys", "list"],
        ["bundles", "check", "."],
    ],
    ids=" ".join,
)
def test_commands_that_need_a_checkout_fail_with_a_sentence(empty, tmp_path, command):
    (tmp_path / "script.py").write_text("")
    done = run(empty / "bin/mien", *command, cwd=tmp_path, expected=2)

    assert "pip install -e '.[serve]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_training_needs_a_checkout(empty, tmp_path):
    done = run(empty / "bin/mien-model", "sizes", cwd=tmp_path, expected=2)

    assert "pip install -e '.[render]'" in done.stderr
    assert "Traceback" not in done.stderr
