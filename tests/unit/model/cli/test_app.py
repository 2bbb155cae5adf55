import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from mien.contract.bundle import Parity, Training, Variant, VariantParity
from model import export
from model.bundle.write import ExportRefused
from model.cli.app import app, main
from model.cli.recipes import KINDS, explained, recipes
from model.errors import ModelError
from model.train.config import read_recipe
from tests.published import finetuned_shapes, pretraining_shapes

RECIPES = Path(export.__file__).parent / "recipes"


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(app, arguments)


def manifest(facts):
    """What the commands say of a bundle."""
    parity = Parity(max_abs_difference=1.5e-6, batch_sizes=(1,))
    training = Training(trained=True, data="none", warnings=("It has seen little.",))
    compared = VariantParity(max_abs_difference=0.0042, same_label=0.995, clips=200, data="faces")
    return SimpleNamespace(
        name=facts["name"],
        version=facts["version"],
        parity=parity,
        training=training,
        variants=[Variant(precision=one, graph="v.onnx", parity=compared) for one in facts["variants"]],
    )


def test_a_refused_export_ends_with_its_reason_and_status_2(capsys, monkeypatch, tmp_path):
    def refuse(run, out, **facts):
        raise ExportRefused("They differ.")

    monkeypatch.setattr(export, "export_run", refuse)
    monkeypatch.setattr(sys, "argv", ["mien-model", "export", str(tmp_path / "run"), "--out", str(tmp_path / "bundle")])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert capsys.readouterr().err == "They differ.\n"


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (NotADirectoryError(20, "Not a directory", "report/x"), "report/x: Not a directory.\n"),
        (
            ModelError(
                'Caught ModelError in worker 0.\nOriginal Traceback:\n  File "x"\nmodel.errors.ModelError: No clip.\n'
            ),
            "No clip.\n",
        ),
    ],
)
def test_a_fault_of_a_file_is_a_sentence_and_status_2(raised, said, capsys, monkeypatch, tmp_path):
    def fail(run, out, **facts):
        raise raised

    monkeypatch.setattr(export, "export_run", fail)
    monkeypatch.setattr(sys, "argv", ["mien-model", "export", str(tmp_path / "run"), "--out", str(tmp_path / "bundle")])

    with pytest.raises(SystemExit) as ended:
        main()

    assert (ended.value.code, capsys.readouterr().err) == (2, said)


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_a_stopped_run_exits_with_another_status_than_one_that_is_done(invoke, monkeypatch, tmp_path, command):
    ends = iter((False, True))
    recipe, plan = SimpleNamespace(out=tmp_path), SimpleNamespace(clips=10_000)
    loop = SimpleNamespace(recipe=recipe, plan=plan, run=lambda: next(ends))
    monkeypatch.setattr(f"model.{command}.{command}", lambda recipe: loop)

    results = [invoke(command, f"tiny_{command}") for _ in range(2)]

    assert [(result.exit_code, result.output.split()[0]) for result in results] == [(130, "Stopped;"), (0, "Done:")]


def test_export_says_how_far_the_bundle_is_from_the_model(invoke, monkeypatch, tmp_path):
    asked = []

    def fake(run, out, **facts):
        asked.append((run, out, facts))
        return manifest(facts)

    monkeypatch.setattr(export, "export_run", fake)

    result = invoke("export", str(tmp_path / "Run"), "--out", str(tmp_path / "there"), "--hop", "0.3")

    assert result.exit_code == 0
    ((run, out, facts),) = asked
    assert (run, out) == (tmp_path / "Run", tmp_path / "there")
    assert (facts["name"], facts["version"], facts["hop_s"]) == ("run", "0.1.0", 0.3)
    assert "differ by 1.5e-06 at most" in result.output
    assert "Warning, which every answer will repeat: It has seen little." in result.output


def test_export_writes_the_variants_that_are_asked_for_and_says_how_far_they_are(invoke, monkeypatch, tmp_path):
    asked = []

    def fake(run, out, **facts):
        asked.append((facts["variants"], facts["clips"]))
        return manifest(facts)

    monkeypatch.setattr(export, "export_run", fake)

    result = invoke(
        "export", str(tmp_path / "run"), "--out", str(tmp_path), "--float16", "--int8",
        "--clips", "prepared/faces",
    )  # fmt: skip

    assert asked == [(["int8", "float16"], Path("prepared/faces"))]
    assert "In int8 it differs from that by 4.2e-03 of a range at most, and 99.5% of 200 clips" in result.output
    assert "In float16 it" in result.output


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


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command as a shell does; return its exit code and what it says on the error stream."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien-model", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return run


def saved(path, weights):
    torch.save({"model": weights}, path)
    return path


def test_what_is_wrong_on_the_users_side_is_one_message_and_status_2(command, tmp_path):
    code, said = command("import", tmp_path / "none.pth", "--dataset", "dfew", "--out", tmp_path / "bundle")

    assert (code, said) == (2, f"{tmp_path / 'none.pth'} cannot be read: No such file or directory.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the dataset that it was fine-tuned on, as --dataset dfew"),
        (
            ["--dataset", "dfew", "--depths", "12", "6", "3"],
            "depths 12-6-3 do not fit: the checkpoint has 6 blocks",
        ),
        (["--dataset", "dfew", "--depths", "1", "3", "2"], "head.weight is 5×64, expected 7×64"),
        (["--dataset", "nodata", "--depths", "1", "3", "2"], "There is no dataset 'nodata'; known are dfew"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(command, tmp_path, arguments, message):
    shapes = finetuned_shapes(5, width=64, depths=(1, 3, 2))
    path = saved(tmp_path / "a.pth", {name: torch.zeros(shape) for name, shape in shapes.items()})

    code, said = command("import", path, "--out", tmp_path / "bundle", *arguments)

    assert code == 2
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("shapes", "left_out"), [(pretraining_shapes, "none"), (finetuned_shapes, "head.")], ids=["pre-training", "no head"]
)
def test_import_tells_weights_without_a_head_by_itself_and_writes_a_start(invoke, tmp_path, shapes, left_out):
    weights = {
        name: torch.zeros(shape)
        for name, shape in shapes(width=64, depths=(1, 3, 2)).items()
        if not name.startswith(left_out)
    }
    path = saved(tmp_path / "a.pth", weights)

    result = invoke("import", str(path), "--depths", "1", "3", "2", "--out", str(tmp_path / "start"))

    assert result.exit_code == 0
    assert f"start={tmp_path / 'start' / 'encoder.pt'}" in result.output
    assert (tmp_path / "start" / "encoder.pt").is_file()


def test_outputs_are_named_one_after_the_other_and_the_import_tells_its_steps(invoke, monkeypatch, tmp_path):
    asked = []

    def fake(model, folder, **facts):
        asked.append(model)
        facts["progress"]("Converting the model to ONNX")
        return manifest(facts)

    monkeypatch.setattr("model.svfap.import_checkpoint.export_bundle", fake)
    shapes = finetuned_shapes(2, width=64, depths=(1, 3, 2))
    path = saved(tmp_path / "a.pth", {name: torch.zeros(shape) for name, shape in shapes.items()})

    result = invoke(
        *("import", str(path), "--dimensions", "valence:-1:1", "arousal:-1:1", "--activation", "tanh"),
        *("--depths", "1", "3", "2", "--out", str(tmp_path / "bundle")),
    )

    assert result.exit_code == 0, result.output
    [task] = asked[0].tasks
    assert [dimension.name for dimension in task.dimensions] == ["valence", "arousal"]
    assert re.search(r"Reading the checkpoint: .* s\n.*Converting the model to ONNX: .* s", result.output, re.DOTALL)


@pytest.mark.parametrize("which", [[], ["run", "--bundle", "bundle"]])
def test_evaluate_wants_runs_or_a_bundle(command, tmp_path, which):
    code, said = command("evaluate", *which, "--data", tmp_path, "--out", tmp_path / "report")

    assert (code, said) == (2, "Name runs or checkpoints to evaluate, or a bundle with --bundle; one of the two.\n")


def test_evaluate_without_a_prepared_folder_is_refused(command, tmp_path):
    code, said = command("evaluate", tmp_path / "run", "--data", tmp_path / "none", "--out", tmp_path / "report")

    assert code == 2
    assert f"{tmp_path / 'none' / 'dataset.json'} cannot be read" in said


def test_recipes_are_listed_and_every_key_is_explained():
    assert {name for name, _, _ in recipes()} == {path.stem for path in RECIPES.glob("*.yaml")}
    for name, kind, what in recipes():
        assert what, name
        read_recipe(name, [], KINDS[kind])
    for recipe in KINDS.values():
        keys = {key: meaning for key, _, meaning in explained(recipe)}
        assert all(keys.values()), [key for key, meaning in keys.items() if not meaning]
        assert {"ema", "data.0.folder", "clip.frames"} <= set(keys)
