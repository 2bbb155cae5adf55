import math

import pytest
import torch
from torchmetrics.functional import concordance_corrcoef

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask
from model.tasks.kinds import kind_of
from model.tasks.learnt import SideTask
from model.tasks.losses import concordance_loss, variances

EXPRESSION = ExpressionTask(labels=("happiness", "sadness", "neutral"))
VALUES = DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal", minimum=0, maximum=5)))
LEVELS = DimensionsTask(
    dimensions=(Dimension(name="arousal", minimum=0, maximum=4), Dimension(name="valence", minimum=0, maximum=4)),
    levels=5,
)
TRAITS = PersonalityTask(traits=("openness", "extraversion"))
NAN = math.nan


def targets(labels, task, smoothing):
    return kind_of(task).targets(task, labels, smoothing)


def loss(outputs, expected, task, variance=None):
    return kind_of(task).loss(outputs, expected, variance)


def test_expression_is_cross_entropy_with_smoothed_labels():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
    expected = targets(torch.eye(3)[[0, 2]], EXPRESSION, smoothing=0.1)

    torch.testing.assert_close(
        expected, torch.tensor([[0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3], [0.1 / 3, 0.1 / 3, 0.9 + 0.1 / 3]])
    )
    written_out = 0.0
    for row, probabilities in zip(logits.tolist(), expected.tolist(), strict=True):
        whole = sum(math.exp(value) for value in row)
        written_out -= sum(p * math.log(math.exp(v) / whole) for p, v in zip(probabilities, row, strict=True))
    assert loss(logits, expected, EXPRESSION).item() == pytest.approx(written_out / 2, rel=1e-5)


def test_dimensions_and_personality_are_mean_squared_errors_of_what_is_there():
    answers, labels = torch.tensor([[0.5, 2.0], [0.0, 1.0]]), torch.tensor([[0.1, NAN], [NAN, 4.0]])

    for task in (VALUES, TRAITS):
        found = loss(answers, targets(labels, task, 0.1), task)
        assert found.item() == pytest.approx((0.4**2 + 3.0**2) / 2)


def test_levels_are_classes_of_each_dimension():
    logits = torch.randn(2, 2, 5)
    labels = torch.tensor([[0.0, 4.0], [2.4, NAN]])

    found = loss(logits, targets(labels, LEVELS, 0.0), LEVELS)

    chosen = [logits[0, 0].log_softmax(0)[0], logits[0, 1].log_softmax(0)[4], logits[1, 0].log_softmax(0)[2]]
    assert found.item() == pytest.approx(-sum(value.item() for value in chosen) / 3, rel=1e-5)


@pytest.mark.parametrize(
    ("task", "answers", "labels"),
    [
        (EXPRESSION, torch.randn(3, 3), torch.tensor([[0.0, 1, 0], [NAN, NAN, NAN], [0.25, 0, 0.75]])),
        (VALUES, torch.randn(3, 2), torch.tensor([[0.1, 2.0], [NAN, NAN], [0.3, 4.0]])),
        (LEVELS, torch.randn(3, 2, 5), torch.tensor([[1.0, 2.0], [NAN, NAN], [3.0, 4.0]])),
        (TRAITS, torch.randn(3, 2), torch.tensor([[0.1, 0.2], [NAN, NAN], [0.3, 0.4]])),
    ],
)
def test_a_clip_without_a_label_neither_costs_nor_teaches(task, answers, labels):
    answers = answers.clone().requires_grad_()
    expected = targets(labels, task, 0.1)

    whole = loss(answers, expected, task)
    whole.backward()

    there = torch.tensor([0, 2])
    torch.testing.assert_close(whole, loss(answers[there], expected[there], task))
    assert not answers.grad[1].any()
    assert answers.grad[there].abs().sum() > 0


@pytest.mark.parametrize(
    ("task", "answers", "labels"),
    [
        (EXPRESSION, torch.randn(2, 3), torch.full((2, 3), NAN)),
        (VALUES, torch.randn(2, 2), torch.full((2, 2), NAN)),
        (LEVELS, torch.randn(2, 2, 5), torch.full((2, 2), NAN)),
    ],
)
def test_a_batch_without_any_label_costs_nothing_and_its_gradients_are_zero(task, answers, labels):
    answers = answers.clone().requires_grad_()

    found = loss(answers, targets(labels, task, 0.1), task)
    found.backward()

    assert found.item() == 0
    assert answers.grad.abs().max() == 0  # there, as other processes wait for them


def test_mixed_targets_are_linear_and_what_meets_no_label_has_none():
    expected = targets(torch.tensor([[1.0, 0, 0], [0, 0, 1], [NAN, NAN, NAN]]), EXPRESSION, 0.0)

    mixed = torch.lerp(expected.flip(0), expected, 0.7)

    assert mixed[1].tolist() == [0, 0, 1]
    assert mixed[0].isnan().all()
    assert mixed[2].isnan().all()


def test_variances_are_of_what_is_there():
    labels = torch.tensor([[1.0, 3.0, NAN], [3.0, 3.0, NAN], [NAN, 3.0, NAN]])

    assert variances(labels).tolist() == [1, 1, 1]
    assert variances(3 * labels).tolist() == [9, 1, 1]


@pytest.mark.parametrize("task", [VALUES, SideTask(kind="units", names=("AU1", "AU12"))])
def test_scaled_errors_weigh_each_column_alike(task):
    labels = torch.randn(500, 2) * torch.tensor([0.1, 7.0]) + torch.tensor([2.0, -1.0])
    mean = labels.mean(dim=0).expand_as(labels)

    assert loss(mean, labels, task, variances(labels)).item() == pytest.approx(1)
    assert loss(mean, labels, task).item() == pytest.approx((0.1**2 + 7**2) / 2, rel=0.2)


def test_concordance_is_that_of_the_metrics_over_what_is_labelled():
    outputs, noise = torch.randn(2, 2000, 2, generator=torch.Generator().manual_seed(1)).unbind()
    labels = 0.5 + outputs + noise
    labels[3, 0] = labels[5, 0] = NAN
    known = ~labels[:, 0].isnan()
    expected = [
        1 - concordance_corrcoef(outputs[known, 0], labels[known, 0]),
        1 - concordance_corrcoef(outputs[:, 1], labels[:, 1]),
    ]

    torch.testing.assert_close(concordance_loss(outputs, labels), torch.stack(expected).mean(), rtol=1e-3, atol=0)


def test_concordance_of_fewer_than_two_labels_adds_nothing():
    labels = torch.tensor([[NAN, 0.1], [NAN, NAN], [NAN, NAN]])
    outputs = torch.randn(3, 2, requires_grad=True)

    loss = concordance_loss(outputs, labels)
    loss.backward()

    assert loss == 0
    assert not outputs.grad.any()
