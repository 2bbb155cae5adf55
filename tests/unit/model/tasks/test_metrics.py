"""TorchMetrics against scikit-learn and the formulas written out."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask
from model.tasks.calibration import calibration_error
from model.tasks.kinds import kind_of
from model.tasks.levels import ABSENT, level_values
from model.tasks.metrics import confusion, likeliest, likeliest_levels

EXPRESSION = ExpressionTask(labels=("happiness", "sadness", "neutral", "anger"))
DIMENSIONS = DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal", minimum=0, maximum=4)))
LEVELS = DIMENSIONS.model_copy(update={"levels": 5})
PERSONALITY = PersonalityTask(traits=("openness", "extraversion"))


def measure(task, outputs, labels):
    return kind_of(task).measure(task, outputs, labels)


@pytest.fixture
def guesses():
    labels = torch.tensor([0] * 20 + [1] * 9 + [2] * 14 + [3] * 3)
    right = torch.rand(len(labels)) < 0.5
    said = torch.where(right, labels, torch.randint(0, 4, labels.shape))
    return torch.nn.functional.one_hot(said, 4) * 0.5 + torch.rand(len(labels), 4) * 0.4, labels


def shares(labels):
    return torch.eye(4)[labels]


def pearson(x, y):
    dx, dy = x - x.mean(), y - y.mean()
    return (dx * dy).sum() / np.sqrt((dx**2).sum() * (dy**2).sum())


def concordance(x, y):
    covariance = ((x - x.mean()) * (y - y.mean())).sum() / (len(x) - 1)
    return 2 * covariance / (x.var(ddof=1) + y.var(ddof=1) + (x.mean() - y.mean()) ** 2)


def test_expression_is_measured_as_scikit_learn_does(guesses):
    outputs, labels = guesses
    said = outputs.argmax(1)

    found = measure(EXPRESSION, outputs, shares(labels))
    assert found.pop("ECE") == calibration_error(outputs, labels)
    assert found == pytest.approx(
        {
            "UAR": recall_score(labels, said, average="macro"),
            "WAR": (said == labels).double().mean().item(),
            "weighted F1": f1_score(labels, said, average="weighted"),
            "macro F1": f1_score(labels, said, average="macro"),
        },
        abs=1e-6,
    )


def test_the_confusion_matrix_has_a_row_for_each_true_label(guesses):
    outputs, labels = guesses

    assert confusion(outputs, shares(labels)).tolist() == confusion_matrix(labels, outputs.argmax(1)).tolist()


def test_clips_without_an_expression_are_left_out(guesses):
    outputs, labels = guesses
    some = shares(labels)
    some[::3] = torch.nan
    there = ~some.isnan().any(dim=1)

    assert measure(EXPRESSION, outputs, some) == measure(EXPRESSION, outputs[there], some[there])
    assert confusion(outputs, some).tolist() == confusion(outputs[there], some[there]).tolist()


def test_of_votes_the_most_count():
    votes = torch.tensor([[0.6, 0.4, 0, 0], [0.1, 0.2, 0.3, 0.4], [torch.nan] * 4])

    assert likeliest(votes).tolist() == [0, 3, ABSENT]


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_a_label_that_no_clip_has_is_left_out_of_uar(guesses):
    outputs, labels = guesses
    outputs, labels = outputs[labels != 3], labels[labels != 3]
    assert 3 in outputs.argmax(1)

    found = measure(EXPRESSION, outputs, shares(labels))

    assert found["UAR"] == pytest.approx(balanced_accuracy_score(labels, outputs.argmax(1)), abs=1e-6)
    assert found["macro F1"] == pytest.approx(f1_score(labels, outputs.argmax(1), average="macro"), abs=1e-6)


def test_dimensions_are_measured_by_the_formulas_one_by_one_and_on_average():
    labels = torch.rand(50, 2) * torch.tensor([2, 4]) - torch.tensor([1, 0])
    outputs = 0.6 * labels + 0.2 * torch.randn(50, 2)

    found = measure(DIMENSIONS, outputs, labels)

    for column, name in enumerate(["valence", "arousal"]):
        said, true = outputs[:, column].double().numpy(), labels[:, column].double().numpy()
        assert found[f"PCC {name}"] == pytest.approx(pearson(said, true), abs=1e-9)
        assert found[f"CCC {name}"] == pytest.approx(concordance(said, true), abs=1e-9)
        assert found[f"MAE {name}"] == pytest.approx(np.abs(said - true).mean(), abs=1e-9)
    for metric in ("PCC", "CCC", "MAE"):
        assert found[metric] == pytest.approx((found[f"{metric} valence"] + found[f"{metric} arousal"]) / 2)
    assert len(found) == 9


def test_personalitys_accuracy_is_1_minus_the_mean_absolute_error():
    labels = torch.tensor([[0.2, 0.5], [0.6, 0.5], [0.1, 0.9]])
    outputs = torch.tensor([[0.3, 0.5], [0.4, 0.3], [0.1, 0.8]])

    found = measure(PERSONALITY, outputs, labels)

    assert found["accuracy openness"] == pytest.approx(0.9)
    assert found["accuracy extraversion"] == pytest.approx(0.9)
    assert found["accuracy"] == pytest.approx(0.9)
    assert found["PCC openness"] == pytest.approx(pearson(outputs[:, 0].numpy(), labels[:, 0].numpy()), abs=1e-6)
    assert found["CCC openness"] == pytest.approx(concordance(outputs[:, 0].numpy(), labels[:, 0].numpy()), abs=1e-6)


def test_absent_values_are_left_out_of_their_own_dimension_only():
    labels, outputs = torch.rand(20, 2), torch.rand(20, 2)
    some = labels.clone()
    some[:7, 1] = torch.nan

    found = measure(DIMENSIONS, outputs, some)

    whole, part = measure(DIMENSIONS, outputs, labels), measure(DIMENSIONS, outputs[7:], labels[7:])
    assert found["CCC valence"] == whole["CCC valence"]
    assert found["CCC arousal"] == part["CCC arousal"]


def test_a_dimension_without_any_label_has_no_metrics_and_is_left_out_of_the_mean():
    labels = torch.rand(20, 2)
    labels[:, 1] = torch.nan

    found = measure(DIMENSIONS, torch.rand(20, 2), labels)

    assert set(found) == {"MAE", "MAE valence", "PCC", "PCC valence", "CCC", "CCC valence"}
    assert found["MAE"] == found["MAE valence"]


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        (EXPRESSION, torch.full((3, 4), torch.nan)),
        (LEVELS, torch.full((3, 2), torch.nan)),
        (PERSONALITY, torch.full((3, 2), torch.nan)),
    ],
)
def test_without_any_label_there_is_nothing_to_measure(task, labels):
    columns = 4 if task is EXPRESSION else 2

    assert measure(task, torch.rand(3, columns), labels) == {}


@pytest.mark.parametrize("constant", ["outputs", "labels", "both", "one clip"])
def test_correlations_with_what_does_not_vary_are_0(constant):
    same, varied = torch.full((5, 2), 0.3), torch.rand(5, 2)
    outputs = same if constant in ("outputs", "both") else varied
    labels = same if constant in ("labels", "both") else torch.rand(5, 2)
    if constant == "one clip":
        outputs, labels = outputs[:1], labels[:1]

    found = measure(DIMENSIONS, outputs, labels)

    assert found["CCC"] == 0
    assert found.get("PCC") == (None if constant == "one clip" else 0)


def test_two_clips_have_no_pearson_correlation():
    assert "PCC" not in measure(DIMENSIONS, torch.rand(2, 2), torch.rand(2, 2))
    assert "PCC" in measure(DIMENSIONS, torch.rand(3, 2), torch.rand(3, 2))


def test_dimensions_in_levels_are_also_measured_as_classes():
    values = torch.tensor([0.0, 1, 2, 3, 4])
    arousal = values[torch.randint(0, 5, (60,))]
    labels = torch.stack([arousal / 2 - 1, arousal], 1)
    outputs = (labels + torch.tensor([0.5, 1]) * 0.7 * torch.randn(60, 2)).clamp(torch.tensor([-1, 0]), None)
    labels[:5, 0] = torch.nan

    found = measure(LEVELS, outputs, labels)

    said = outputs[:, 1].round().clamp(0, 4)
    assert found["weighted F1 arousal"] == pytest.approx(f1_score(arousal, said, average="weighted"), abs=1e-6)
    said = (2 * outputs[5:, 0] + 2).round().clamp(0, 4)
    assert found["weighted F1 valence"] == pytest.approx(f1_score(arousal[5:], said, average="weighted"), abs=1e-6)
    assert found["weighted F1"] == pytest.approx((found["weighted F1 arousal"] + found["weighted F1 valence"]) / 2)
    assert found["CCC arousal"] == measure(DIMENSIONS, outputs, labels)["CCC arousal"]
    assert "weighted F1" not in measure(DIMENSIONS, outputs, labels)


def test_the_likeliest_level_counts_in_the_published_f1():
    probabilities = torch.zeros(6, 2, 5)
    said = torch.tensor([[0, 4], [0, 4], [1, 3], [2, 0], [4, 1], [3, 3]])
    probabilities.scatter_(2, said[..., None], 0.4)
    probabilities[..., 2] += 0.3  # moves each mean towards the middle, and is the likeliest nowhere else
    labels = level_values(LEVELS)[torch.arange(2), torch.tensor([[0, 4], [1, 4], [1, 3], [2, 2], [4, 1], [0, 3]])]

    found = likeliest_levels(LEVELS, probabilities.flatten(1), labels)

    expected = f1_score([0, 1, 1, 2, 4, 0], said[:, 0], average="weighted", zero_division=0)
    assert found["weighted F1 by argmax valence"] == pytest.approx(expected)
