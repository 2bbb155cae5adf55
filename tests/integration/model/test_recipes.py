"""From prepared videos to a bundle through the command line: pretrain, finetune, export, reconstruct."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, FaceCrop, PersonalityTask, read_bundle
from model.bundle.read_back import encoder_of
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.train import checkpoint
from tests.bundles import write_bundle
from tests.processes import HANG_S, free_port
from tests.videos import pan, scene, write_video

EXPRESSION = ExpressionTask(labels=("happiness", "sadness"))
SMALL = ("clip.size=32", "clip.frames=8", "batch=4", "batch_on_device=4", "epochs=2", "warmup_epochs=1", "workers=0")


@pytest.fixture(autouse=True, scope="module")
def _as_in_a_new_process():
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Prepared datasets, by what is known of their clips; those of a test part cannot be read."""
    folder = tmp_path_factory.mktemp("prepared")
    clips = []
    for number in range(4):
        ends = (0.3, 0.7) if number % 2 else (0.7, 0.3)
        pictures = scene([pan(ends, seconds=0.8, other=number > 1)], seconds=0.8, size=(64, 64))
        clips.append(write_video(folder / f"{number}.mp4", pictures))
    crop = FaceCrop(margin=0.2)

    def put(name, tasks, labels):
        rows = [
            ClipRow(id=f"{i}", media=str(clips[i % 4]), subject=f"s{i // 2}", part="train", **labels(i))
            for i in range(8)
        ]
        rows.append(ClipRow(id="secret", media="not/there.mp4", part="test", **labels(0)))
        target = folder / name
        target.mkdir()
        parts = ("train", "test")
        write_prepared(
            target, Prepared(name=name, tasks=tasks, protocol="fixed", parts=parts, interval_s=0.08, crop=crop)
        )
        write_rows(target, rows)
        return target

    both = (EXPRESSION, DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal"))))
    return {
        "bare": put("bare", (), lambda _: {}),
        "some": put(  # every clip lacks something
            "some", both, lambda i: {"expression": EXPRESSION.labels[i % 2]} if i < 4 else {"valence": 0.2 * (i % 3)}
        ),
        "traits": put("traits", (PersonalityTask(traits=("openness",)),), lambda i: {"openness": i / 8}),
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def journal(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def pretrained(runs, videos, command):
    """A pre-training run, made once."""
    run = runs / "pretrained"
    if not run.exists():
        status, said = command("pretrain", "tiny_pretrain", f"data.0.folder={videos['bare']}", f"out={run}", *SMALL)
        assert (status, "Done" in said) == (0, True), said
    return run


@pytest.fixture
def finetuned(runs, videos, pretrained, command):
    """A fine-tuning run for three tasks from two datasets, none of whose clips has all labels; made once."""
    run = runs / "finetuned"
    if not run.exists():
        data = (f"data.0.folder={videos['some']}", f"data.1.folder={videos['traits']}")
        start = f"start={pretrained / 'last.pt'}"
        status, said = command("finetune", "tiny_finetune", *data, start, f"out={run}", *SMALL, "validate_every=1")
        assert (status, "Done" in said) == (0, True), said
    return run


def test_pretraining_leaves_a_checkpoint_and_a_journal(pretrained):
    state = checkpoint.load(pretrained / "last.pt", "pretraining")

    assert state["step"] == 4  # eight clips of the train part: two steps in each of two epochs
    lines = journal(pretrained)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(line["clips_per_s"] > 0 and 0 <= line["waiting"] <= 1 for line in lines)


def test_a_finished_run_that_is_asked_for_again_is_done_at_once(pretrained, videos, command):
    before = (pretrained / "last.pt").read_bytes()

    status, said = command("pretrain", "tiny_pretrain", f"data.0.folder={videos['bare']}", f"out={pretrained}", *SMALL)

    assert (status, "Done" in said) == (0, True)
    assert (pretrained / "last.pt").read_bytes() == before


@pytest.mark.parametrize("other", ["nothing", "tasks", "clips"])
def test_finetuning_for_the_same_tasks_and_clips_starts_from_the_heads_too(other, finetuned, videos, tmp_path, command):
    data = [f"data.0.folder={videos['some']}", f"data.1.folder={videos['traits']}"][: 1 if other == "tasks" else 2]
    start = finetuned / "best.pt"

    status, said = command(
        "finetune",
        "tiny_finetune",
        *data,
        f"start={start}",
        f"out={tmp_path}",
        *SMALL,
        *(["clip.frames=16"] if other == "clips" else []),
        "learning_rate=1e-12",
        "end_learning_rate=0",
    )

    assert (status, "Done" in said) == (0, True), said
    before, after = (checkpoint.load(path)["model"] for path in (start, tmp_path / "last.pt"))
    encoder = "encoder.tubelet_embedding.projection.weight"
    torch.testing.assert_close(after[encoder], before[encoder])
    heads = [name for name in after if name.startswith("heads.expression") and name.endswith("weight")]
    assert heads
    same = [after[name].shape == before[name].shape and torch.allclose(after[name], before[name]) for name in heads]
    assert all(same) == (other == "nothing")


def test_what_has_learned_from_stills_goes_on_with_clips(pretrained, videos, tmp_path, command):
    data, stills = f"data.0.folder={videos['some']}", tmp_path / "stills"

    status, said = command(
        *("finetune", "tiny_finetune", data, f"start={pretrained / 'last.pt'}", f"out={stills}"),
        *(*SMALL, "augmentation.stills=true"),
    )
    assert (status, "Done" in said) == (0, True), said
    status, said = command(
        "finetune", "tiny_finetune", data, f"start={stills / 'last.pt'}", f"out={tmp_path / 'clips'}", *SMALL
    )

    assert (status, "Done" in said) == (0, True), said


def test_heads_learn_alone_from_one_dataset_and_are_validated_on_two(finetuned, videos, tmp_path, command):
    run = tmp_path / "heads"
    data = f"data=[{{folder: {videos['some']}, times: 0}}, {{folder: {videos['traits']}}}]"

    status, said = command(
        *("finetune", "tiny_finetune", data, f"start={finetuned / 'best.pt'}", f"out={run}", *SMALL),
        *("frozen_encoder=true", "regression=ccc", "weights={expression: 0}", "weight_decay=0"),
    )

    assert status == 0, said
    before, after = (checkpoint.load(path / name)["model"] for path, name in ((finetuned, "best.pt"), (run, "last.pt")))
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert changed <= {"heads.personality.weight", "heads.personality.bias"}
    scores = [line["validation"] for line in journal(run) if "validation" in line][-1]
    assert {name.split()[0] for name in scores} >= {"some", "traits"}


def test_finetuning_learns_several_tasks_and_keeps_the_best(finetuned, pretrained):
    best = checkpoint.load(finetuned / "best.pt", "finetuning")

    assert [task["kind"] for task in best["about"]["tasks"]] == ["expression", "dimensions", "personality"]
    scores = [line["validation"]["score"] for line in journal(finetuned) if "validation" in line]
    assert len(scores) == 2
    assert best["best"] == max(scores) == best["scores"]["score"]
    costs = [line for line in journal(finetuned) if "loss" in line]
    parts = ("expression", "dimensions", "personality")
    assert all(line["loss"] == pytest.approx(sum(line[part] for part in parts), rel=1e-4) for line in costs)
    start = checkpoint.load(pretrained / "last.pt")["model"]["encoder.stages.0.blocks.0.attn.qkv.weight"]
    moved = (best["model"]["encoder.stages.0.blocks.0.attn.qkv.weight"] - start).abs().max().item()
    assert 0 < moved < 0.02  # it went on from there


def test_the_mean_of_two_runs_is_a_run_with_the_heads_that_both_have(finetuned, videos, tmp_path, command):
    other, mean = tmp_path / "other", tmp_path / "mean"
    data, start = f"data.0.folder={videos['some']}", f"start={finetuned / 'best.pt'}"
    status, said = command("finetune", "tiny_finetune", data, start, f"out={other}", *SMALL)
    assert status == 0, said

    status, said = command("average", finetuned, other, "--out", mean)

    assert status == 0, said
    one, two, both = (checkpoint.load(run / "best.pt", "finetuning") for run in (finetuned, other, mean))
    assert [task["kind"] for task in both["about"]["tasks"]] == ["expression", "dimensions"]
    floats = {name: value for name, value in both["model"].items() if value.is_floating_point()}
    assert any(not torch.equal(one["model"][name], two["model"][name]) for name in floats)
    for name, value in floats.items():
        torch.testing.assert_close(value, (one["model"][name] + two["model"][name]) / 2)
    assert both["scores"].keys() == two["scores"].keys()
    assert both["about"]["data"] == one["about"]["data"]
    kept = [folder for folder, _ in both["about"]["kept"]]
    assert kept == [str(videos[name].resolve()) for name in ("some", "traits", "some")]
    status, said = command("export", mean, "--out", tmp_path / "bundle", "--name", "mean")
    assert status == 0, said
    status, said = command("average", finetuned, other, "--out", mean)
    assert (status, "holds a run already: name another folder" in said) == (2, True)


@pytest.mark.parametrize(
    ("tasks", "said"), [("labels", "they differ in the task expression"), ("none", "they have no task in common")]
)
def test_runs_without_a_task_in_common_are_not_averaged(finetuned, tmp_path, command, tasks, said):
    state = checkpoint.load(finetuned / "best.pt")
    other = ExpressionTask(labels=("sadness", "happiness")).model_dump(mode="json")
    state["about"]["tasks"] = [other] if tasks == "labels" else [{**other, "kind": "units", "names": ["AU1"]}]
    checkpoint.save(tmp_path / "other" / "best.pt", state)

    status, output = command("average", finetuned, tmp_path / "other", "--out", tmp_path / "mean")

    assert (status, said in output) == (2, True), output
    assert not (tmp_path / "mean").exists()


def test_datasets_of_one_name_are_validated_apart_and_counted_together(videos, tmp_path, command):
    again, run = tmp_path / "again", tmp_path / "run"
    shutil.copytree(videos["some"], again)

    status, said = command(
        *("finetune", "tiny_finetune", f"data.0.folder={videos['some']}", f"data.1.folder={again}", f"out={run}"),
        *(*SMALL, "start=null", "size=tiny"),
    )

    assert status == 0, said
    [scores, *_] = [line["validation"] for line in journal(run) if "validation" in line]
    assert {name.split()[0] for name in scores} >= {str(videos["some"]), str(again)}
    [described] = checkpoint.load(run / "last.pt")["about"]["data"]
    alone = (8 - checkpoint.load(run / "last.pt")["about"]["held_out"] // 2) * 2
    assert described == f"some, {alone} clips"


def test_a_run_does_not_go_on_with_data_that_has_changed(videos, tmp_path, command):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(videos["some"], data)
    train = ("finetune", "tiny_finetune", f"data.0.folder={data}", f"out={run}", *SMALL, "start=null", "size=tiny")
    status, said = command(*train)
    assert status == 0, said
    rows = data / "clips.csv"
    rows.write_text(
        rows.read_text().replace("happiness", "HAPPY").replace("sadness", "happiness").replace("HAPPY", "sadness")
    )

    status, said = command(*train)

    assert status == 2
    assert "holds a run on other clips or labels than its data has now" in said


def test_runs_whose_clips_differ_are_not_averaged(finetuned, videos, tmp_path, command):
    other, data = tmp_path / "other", f"data.0.folder={videos['some']}"
    start = f"start={finetuned / 'best.pt'}"
    status, said = command("finetune", "tiny_finetune", data, start, f"out={other}", *SMALL, "clip.frames=16")
    assert status == 0, said

    status, said = command("average", finetuned, other, "--out", tmp_path / "mean")

    assert status == 2
    assert "they differ in the key clip" in said
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize("config", [None, {"unknown": 1}])
def test_a_mean_needs_a_recipe_to_be_validated_by(finetuned, tmp_path, command, config):
    state = checkpoint.load(finetuned / "best.pt")
    del state["config"]
    checkpoint.save(tmp_path / "best.pt", {**state, **({"config": config} if config else {})})

    status, said = command("average", finetuned, tmp_path, "--out", tmp_path / "mean")

    assert status == 2
    assert "name another run last" in said


def test_a_run_becomes_a_bundle(finetuned, tmp_path, command):
    status, said = command("export", finetuned, "--out", tmp_path / "bundle", "--name", "three-tasks")

    assert status == 0, said
    manifest, _ = read_bundle(tmp_path / "bundle")
    assert manifest.name == "three-tasks"
    assert [task.kind for task in manifest.tasks] == ["expression", "dimensions", "personality"]
    assert (manifest.input.frames, manifest.input.size, manifest.input.interval_s) == (8, 32, 0.08)
    assert (manifest.crop.margin, manifest.hop_s) == (0.2, 0.32)
    assert manifest.training.trained
    assert "traits personality accuracy" in manifest.training.scores
    assert "some" in manifest.training.data
    assert manifest.training.warnings[0].startswith("It was fine-tuned on ")
    assert manifest.training.warnings[0] in (tmp_path / "bundle/MODEL_CARD.md").read_text()
    assert "Warning, which every answer will repeat: It was fine-tuned on " in said


@pytest.mark.parametrize(("kind", "data"), [("finetune", "some"), ("pretrain", "bare")])
def test_training_starts_from_the_default_bundles_encoder(videos, tmp_path, command, kind, data):
    start = () if kind == "finetune" else ("start=service/worker/bundles/default",)  # tiny_finetune names it

    status, said = command(kind, f"tiny_{kind}", f"data.0.folder={videos[data]}", f"out={tmp_path}", *start, *SMALL)

    assert (status, "Done" in said) == (0, True), said
    state, begun = checkpoint.load(tmp_path / "last.pt"), encoder_of(Path("service/worker/bundles/default"))
    name = "encoder.stages.2.blocks.1.mlp.fc1.weight"
    assert 0 < (state["model"][name] - begun["model"][name]).abs().max() < 0.01
    if kind == "finetune":
        assert state["about"]["data"][0].startswith("the data of mien-default ")
        assert state["about"]["clips"] < 10  # its heads know no more


def test_a_bundle_that_does_not_name_its_weights_is_no_start(videos, tmp_path, command):
    other = write_bundle(tmp_path / "other")

    status, said = command("finetune", "tiny_finetune", f"data.0.folder={videos['some']}", f"start={other}", *SMALL)

    assert status == 2
    assert f"The graph of {other} does not name its weights" in said


def test_a_reconstruction_shows_original_masked_and_reconstructed(pretrained, videos, tmp_path, command):
    video = videos["bare"].parent / "0.mp4"

    status, said = command("reconstruct", pretrained / "last.pt", video, "--out", tmp_path / "seen.png")

    assert status == 0, said
    picture = cv2.imread(str(tmp_path / "seen.png"))
    assert picture.shape == (3 * 34 - 2, 4 * 34 - 2, 3)
    original, masked, reconstructed = (picture[34 * row : 34 * row + 32] for row in range(3))
    gray = np.abs(masked[:, :32].astype(int) - 128).max(axis=-1) <= 1
    assert gray.mean() == pytest.approx(0.75, abs=0.05)  # three of the four places
    seen = ~gray
    assert np.abs(original[:, :32][seen].astype(int) - reconstructed[:, :32][seen]).max() == 0


def test_a_reconstruction_hides_what_the_run_hid_and_held_out_clips_are_drawn(videos, tmp_path, command):
    run = tmp_path / "run"
    status, said = command(
        *("pretrain", "tiny_pretrain", f"data.0.folder={videos['bare']}", f"out={run}", *SMALL),
        *("mask_ratio=0.5", "held_out=0.3", "checkpoint_every=1", "epochs=1"),
    )
    assert status == 0, said
    assert "4 clips are enough to try the steps out, and too few to learn faces" in said
    assert [line["validation"]["loss"] > 0 for line in journal(run) if "validation" in line] == [True]

    status, said = command(
        "reconstruct", run / "last.pt", videos["bare"].parent / "0.mp4", "--out", tmp_path / "seen.png"
    )

    assert status == 0, said
    for drawn in (tmp_path / "seen.png", run / "reconstruction.png"):
        picture = cv2.imread(str(drawn))
        assert picture.shape == (3 * 34 - 2, 4 * 34 - 2, 3)
        gray = np.abs(picture[34:66, :32].astype(int) - 128).max(axis=-1) <= 1
        assert gray.mean() == pytest.approx(0.5, abs=0.05)  # two of the four places


def test_a_dry_run_says_what_it_would_take_and_leaves_nothing(videos, tmp_path, command):
    run = tmp_path / "run"
    for what in (("pretrain", "tiny_pretrain"), ("finetune", "tiny_finetune", "start=null", "size=tiny")):
        data = videos["bare" if what[0] == "pretrain" else "some"]
        status, said = command(*what, f"data.0.folder={data}", f"out={run}", *SMALL, "--dry-run")

        assert status == 0, said
        for part in ("Data: ", "Steps: ", "Memory of each device: about", "Time: about", "Loading: one process reads"):
            assert part in said
    assert not run.exists()


def test_one_subject_alone_is_not_held_out(videos, tmp_path, command):
    data = tmp_path / "one"
    shutil.copytree(videos["bare"], data)
    rows = data / "clips.csv"
    rows.write_text(re.sub(r"\bs\d\b", "anna", rows.read_text()))

    status, said = command(
        "pretrain", "tiny_pretrain", f"data.0.folder={data}", f"out={tmp_path / 'run'}", *SMALL, "held_out=0.3"
    )

    assert (status, "held_out needs at least two subjects or clips" in said) == (2, True), said


def test_pre_training_goes_on_from_a_run_of_ours(pretrained, videos, tmp_path, command):
    start = pretrained / "last.pt"
    status, said = command(
        *("pretrain", "tiny_pretrain", f"data.0.folder={videos['bare']}", f"out={tmp_path / 'more'}", *SMALL),
        *(f"start={start}", "learning_rate=1e-12", "end_learning_rate=0"),
    )

    assert status == 0, said
    before, after = (checkpoint.load(path)["model"] for path in (start, tmp_path / "more/last.pt"))
    for name in ("decoder.head.weight", "encoder.stages.0.blocks.0.attn.qkv.weight"):
        torch.testing.assert_close(after[name], before[name])


@pytest.mark.parametrize("machines", [1, 2])
def test_several_processes_train_one_run_as_the_launch_lines_say(machines, videos, tmp_path):
    # On CPUs `accelerate launch` starts one process: this is what it starts for several cards.
    run, port = tmp_path / "run", free_port()
    line = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(machines), "--master_addr", "127.0.0.1"]
    line += ["--master_port", str(port), "--nproc_per_node", str(2 // machines)]
    recipe = ("pretrain", "tiny_pretrain", f"data.0.folder={videos['bare']}", f"out={run}", *SMALL, "batch_on_device=2")
    nodes = [
        subprocess.Popen(
            [*line, "--node_rank", str(rank), "-m", "model.cli", *recipe],
            env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(machines)
    ]
    said = [node.communicate(timeout=HANG_S)[0] for node in nodes]

    assert [node.returncode for node in nodes] == [0] * machines, said
    assert checkpoint.load(run / "last.pt", "pretraining")["step"] == 4
    assert [line["step"] for line in journal(run)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pretrain", "tiny_pretrain", "data.0.folder=nowhere"), "nowhere"),
        (("pretrain", "tiny_pretrain", "colour=red"), "tiny_pretrain: the key colour is unknown"),
        (("pretrain", "none.yaml"), "none.yaml cannot be read"),
        (("finetune", "tiny_finetune", "data.0.folder={bare}", "start=null", "size=tiny"), "has no labels"),
        (("finetune", "tiny_finetune", "data.0.folder={some}", "start=nothing.pt"), "nothing.pt cannot be read"),
        (("finetune", "tiny_finetune", "data.0.folder={some}", "data.0.times=0"), "very dataset of the key data has"),
        (
            ("finetune", "tiny_finetune", "data.0.folder={some}", "start=null", "size=tiny", "frozen_encoder=true"),
            "needs the key start",
        ),
        (
            ("finetune", "tiny_finetune", "data.0.folder={some}", "data.0.test=9", "start=null", "size=tiny"),
            "no part '9'",
        ),
        (
            (
                *("finetune", "tiny_finetune", "data.0.folder={some}", "start=null", "size=tiny-vit"),
                *("augmentation.stills=true",),
            ),
            "196 tokens for clips of 8 frames and 49 for stills",
        ),
        (
            ("finetune", "tiny_finetune", "data.0.folder={some}", "start=null", "size=tiny", "batch=64"),
            "lower the key batch",
        ),
        (
            ("export", "{finetuned}", "--out", "bundle", "--offset", "joy=0.2"),
            "best.pt does not predict joy: give offsets of its own labels",
        ),
        (
            ("export", "{finetuned}", "--out", "bundle", "--offset", "joy"),
            "--offset joy is no label and number: write for example sadness=-0.5",
        ),
        (
            (*("evaluate", "--bundle", "bundle", "--data", "{some}", "--out", "report"), "--offset", "joy=1"),
            "A bundle has its offsets already",
        ),
        (("average", "{finetuned}", "--out", "mean"), "Name two runs at least"),
        (("export", "{finetuned}", "--out", "{bare}/clips.csv/x"), "clips.csv: File exists."),
        (("export", "nowhere", "--out", "bundle"), "nowhere cannot be read"),
        (("export", "{pretrained}", "--out", "bundle"), "best.pt cannot be read"),
        (
            ("export", "{pretrained}/last.pt", "--out", "bundle"),
            "is a checkpoint of pretraining; finetuning was expected",
        ),
        (("reconstruct", "{pretrained}/last.pt", "no.mp4", "--out", "x.png"), "no.mp4 cannot be read"),
        (("reconstruct", "{finetuned}/best.pt", "no.mp4", "--out", "x.png"), "of finetuning; pretraining was expected"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_status_2(  # noqa: PLR0917 — fixtures
    arguments, said, videos, pretrained, finetuned, command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    names = {**videos, "pretrained": pretrained, "finetuned": finetuned}

    status, output = command(*(argument.format(**names) for argument in arguments))

    assert status == 2
    assert said in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []
