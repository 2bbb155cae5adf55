"""Evaluation of small models on a small prepared dataset of moving patterns."""

import shutil

import cv2
import numpy as np
import pytest
import torch

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, FaceCrop
from model import evaluate as evaluation
from model.data.prepared import ClipRow, Prepared, read_rows, write_prepared, write_rows
from model.errors import ModelError
from model.evaluate import evaluate, score
from model.evaluation.report import markdown
from model.evaluation.scores import measured
from model.evaluation.scoring import OnnxScorer, TorchScorer
from model.evaluation.trials import Trial, trials_of_bundle, trials_of_runs
from model.tpsbt.affect_model import AffectModel
from model.train import checkpoint

LABELS = ("happiness", "sadness", "neutral")


@pytest.fixture(autouse=True)
def _no_other_processes(monkeypatch):
    monkeypatch.setattr(evaluation, "_WORKERS", 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory, tasks):
    """Six clips in two parts; frame folders of 12 frames at 10 a second. The fourth has no expression."""
    folder = tmp_path_factory.mktemp("prepared")
    rows = []
    for index in range(6):
        (folder / f"clips/{index}").mkdir(parents=True)
        random = np.random.default_rng(index)
        for frame in range(12):
            picture = cv2.resize(random.integers(0, 256, (4, 4, 3), dtype=np.uint8), (40, 40))
            cv2.imwrite(str(folder / f"clips/{index}/{frame:03}.png"), picture)
        rows.append(
            ClipRow(
                id=str(index),
                media=f"clips/{index}",
                fps=10,
                part=str(1 + index % 2),
                expression=None if index == 3 else LABELS[index % 3],
                groups=f"age={'older' if index < 2 else 'younger'}" if index != 5 else None,
                valence=index / 5,
                arousal=float(index % 4),
            )
        )
    write_prepared(
        folder,
        Prepared(
            name="patterns",
            tasks=tasks[:2],
            protocol="folds",
            parts=("1", "2", "3"),
            interval_s=0.1,
            crop=FaceCrop(margin=0.3),
        ),
    )
    write_rows(folder, rows)
    return folder


@pytest.fixture
def scorer(affect_model, facts):
    return TorchScorer("ours", affect_model, facts["clip"], facts["crop"])


@pytest.fixture
def run(micro, facts, data, tmp_path):
    """Write a run's checkpoint, tested on a part."""

    def write(name, affect_model, test, learnt_from=data, times=1, **more):
        about = {
            "tasks": [task.model_dump(mode="json") for task in affect_model.tasks],
            "clip": facts["clip"].model_dump(mode="json"),
            "crop": facts["crop"].model_dump(mode="json"),
            "data": ["patterns, 3 clips"],
            **more,
        }
        state = {"kind": "finetuning", "size": micro._asdict(), "model": affect_model.state_dict(), "about": about}
        config = {"data": [{"folder": str(learnt_from), "test": test, "times": times}]}
        checkpoint.save(tmp_path / name / checkpoint.BEST, {**state, "config": config})
        return tmp_path / name

    return write


def other(micro, tasks):
    model = AffectModel(micro, tasks)
    for head in model.heads.values():
        torch.nn.init.normal_(head.weight, std=0.2)
    return model.eval()


def rows_of(data, part):
    return [row for row in read_rows(data) if row.part == part]


def test_a_clips_scores_are_the_means_of_two_times_two_views(scorer, data, facts, tasks):
    rows = rows_of(data, "1")

    found = score(scorer, data, rows, tasks)

    for index, row in enumerate(rows):
        frames = [cv2.imread(str(file))[:, :, ::-1] for file in sorted((data / row.media).iterdir())]
        small = [cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in frames]
        early, late = np.stack(small[:8]), np.stack(small[4:])
        views = np.stack([early, early[:, :, ::-1], late, late[:, :, ::-1]])
        for kind, values in scorer(views).items():
            torch.testing.assert_close(found.outputs[kind][index], torch.from_numpy(values).mean(0), atol=1e-5, rtol=0)


def test_a_bundle_is_evaluated_as_the_model_it_was_made_of(scorer, bundle, data):
    tasks = scorer.tasks[:2]

    ours = score(scorer, data, rows_of(data, "1"), tasks)
    theirs = score(OnnxScorer(bundle), data, rows_of(data, "1"), tasks)
    reports = [
        evaluate([Trial(scorer, "1")], data),
        evaluate(trials_of_bundle(bundle, data, ["1"]), data),
    ]

    for kind, values in ours.outputs.items():
        torch.testing.assert_close(theirs.outputs[kind], values, atol=1e-4, rtol=0)
    for kind, scores in reports[0].pooled.items():
        assert reports[1].pooled[kind] == pytest.approx(scores, abs=1e-3)
    assert reports[0].confusion == reports[1].confusion


@pytest.mark.parametrize("labels", [LABELS, LABELS[::-1], (*LABELS, "calm")])
def test_votes_count_for_the_labels_that_the_dataset_means(micro, facts, data, tmp_path, labels):
    folder = shutil.copytree(data, tmp_path / "voted")
    votes = {label: " ".join(str(9 * (label == other)) for other in LABELS) for label in LABELS}
    write_rows(folder, [row.model_copy(update={"votes": votes.get(row.expression)}) for row in read_rows(data)])
    task = ExpressionTask(labels=labels)
    model = TorchScorer("ours", AffectModel(micro, [task]).eval(), facts["clip"], facts["crop"])

    plain, voted = (evaluate([Trial(model, "1")], each) for each in (data, folder))

    assert voted.confusion == plain.confusion
    assert sum(voted.confusion.counts[labels.index("sadness")]) == 1


def test_folds_are_reported_one_by_one_and_pooled(micro, tasks, affect_model, run, data):
    first, second = run("one", affect_model, "1"), run("two", other(micro, tasks), "2")

    report = evaluate(trials_of_runs([first, second], data, []), data)

    assert [(part.part, part.clips, part.model) for part in report.parts] == [
        ("1", 3, str(first)),
        ("2", 3, str(second)),
    ]
    one, two = (part.scores["expression"] for part in report.parts)
    # Three labels in part 1 and two in part 2: five clips in all.
    assert report.pooled["expression"]["WAR"] == pytest.approx((3 * one["WAR"] + 2 * two["WAR"]) / 5)
    assert sum(map(sum, report.confusion.counts)) == 5
    assert report.confusion.labels == LABELS
    assert "personality" not in report.pooled  # the data has no such labels
    assert (report.data, report.views, report.warnings) == ("patterns", 4, ())


def test_groups_of_people_are_scored_apart(scorer, data):
    report = evaluate([Trial(scorer, "1"), Trial(scorer, "2")], data)

    assert [(group.attribute, group.value, group.clips) for group in report.groups] == [
        ("age", "older", 2),
        ("age", "younger", 3),
    ]
    members = [row for row in read_rows(data) if row.groups == "age=older"]
    alone = measured(scorer.tasks[:2], score(scorer, data, members, scorer.tasks[:2]))
    assert report.groups[0].scores == {kind: pytest.approx(scores, abs=1e-5) for kind, scores in alone.items()}
    told = markdown(report)
    assert "| expression | age older (2 clips) | age younger (2 clips) |" in told  # one of three has no expression
    assert "| dimensions | age older (2 clips) | age younger (3 clips) |" in told


def test_a_run_is_scored_on_its_own_test_part_and_a_part_it_learnt_from_is_a_warning(affect_model, run, data):
    path = run("one", affect_model, "2")

    [trial] = trials_of_runs([path / checkpoint.BEST], data, [])
    assert trial.part == "2"

    report = evaluate(trials_of_runs([path], data, ["1"]), data)
    assert report.warnings == (f"{path} was trained on the part 1.",)


def test_a_mean_of_folds_was_trained_on_all_of_their_test_parts(affect_model, run, data):
    path = run("mean", affect_model, "2", kept=[[str(data), "1"], [str(data), "2"]])

    report = evaluate(trials_of_runs([path], data, ["2"]), data)

    assert report.warnings == (f"{path} was trained on the part 2.",)
    assert [trial.part for trial in trials_of_runs([path], data, [])] == ["1", "2"]


def test_what_a_run_was_trained_on_does_not_depend_on_the_folder_that_a_command_runs_in(
    affect_model, run, data, tmp_path, monkeypatch
):
    path = run("one", affect_model, "2", learnt_from=data.name, kept=[[str(data.resolve()), "2"]])
    monkeypatch.chdir(tmp_path)

    assert [trial.learnt for trial in trials_of_runs([path], data, ["1", "2"])] == [True, False]


def test_a_run_from_other_data_is_scored_on_any_part_without_a_warning(affect_model, run, data, tmp_path):
    path = run("one", affect_model, None, learnt_from=tmp_path / "other")

    with pytest.raises(ModelError, match="patterns has no part 'test': name one of 1, 2, 3 with --part"):
        trials_of_runs([path], data, [])
    assert evaluate(trials_of_runs([path], data, ["1", "2"]), data).warnings == ()


def test_a_run_was_not_trained_on_the_data_that_it_only_validated_on(affect_model, run, data):
    path = run("one", affect_model, "2", times=0)

    assert evaluate(trials_of_runs([path], data, ["1"]), data).warnings == ()


def test_another_crop_is_a_warning(affect_model, facts, data):
    report = evaluate([Trial(TorchScorer("ours", affect_model, facts["clip"], FaceCrop(margin=0.1)), "1")], data)

    assert report.warnings == ("ours needs faces cropped with a margin of 0.1, and the data has 0.3.",)


def test_an_empty_part_and_one_part_for_two_models_are_refused(scorer, data):
    with pytest.raises(ModelError, match=r"part 3 of .* is empty"):
        evaluate([Trial(scorer, "3")], data)
    with pytest.raises(ModelError, match="give each its own"):
        evaluate([Trial(scorer, "1"), Trial(scorer, "1")], data)


def test_a_part_without_a_label_of_the_models_tasks_is_refused(micro, facts, tasks, data, tmp_path):
    folder = shutil.copytree(data, tmp_path / "half")
    write_rows(folder, [row.model_copy(update={"expression": None}) for row in read_rows(data)])
    model = TorchScorer("ours", AffectModel(micro, tasks[:1]), facts["clip"], facts["crop"])

    with pytest.raises(ModelError, match=r"part 1 of .*half cannot be scored: none of its clips has a label of expr"):
        evaluate([Trial(model, "1")], folder)


def test_labelled_clips_are_counted_by_the_kind_of_task(scorer, data):
    report = evaluate([Trial(scorer, "2")], data)

    assert report.parts[0].clips == 3
    assert report.parts[0].labelled == {"expression": 2, "dimensions": 3}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (ExpressionTask(labels=("calm", "fear", "anger")), "clip 0 has the expression happiness; expected one of calm"),
        (
            DimensionsTask(dimensions=(Dimension(name="arousal"),)),
            r"ours has arousal in \(-1.0, 1.0\), patterns in \(0",
        ),
    ],
)
def test_a_model_of_other_labels_is_refused(micro, facts, data, task, message):
    stranger = TorchScorer("ours", AffectModel(micro, [task]), facts["clip"], facts["crop"])

    with pytest.raises(ModelError, match=message):
        evaluate([Trial(stranger, "1")], data)


def test_a_model_without_a_task_that_the_data_has_is_refused(micro, facts, data, tasks):
    stranger = TorchScorer("ours", AffectModel(micro, tasks[2:]), facts["clip"], facts["crop"])

    with pytest.raises(
        ModelError, match="ours has the tasks personality, and patterns has labels of expression, dimensions"
    ):
        evaluate([Trial(stranger, "1")], data)


def test_models_of_different_tasks_are_not_pooled(scorer, micro, facts, data, tasks):
    stranger = TorchScorer("theirs", AffectModel(micro, tasks[:1]), facts["clip"], facts["crop"])

    with pytest.raises(ModelError, match="ours and theirs have different tasks"):
        evaluate([Trial(scorer, "1"), Trial(stranger, "2")], data)
