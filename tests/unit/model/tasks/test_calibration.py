import pytest
import torch

from model.tasks.calibration import at_temperature, calibration_error, fit_temperature
from model.tasks.levels import ABSENT


def drawn(clips=4000, labels=5):
    """Probabilities that are right as often as they say, and labels drawn from them."""
    right = (torch.randn(clips, labels) * 2).softmax(dim=-1)
    return right, torch.multinomial(right, 1).squeeze(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_a_known_temperature_is_recovered(temperature):
    right, labels = drawn()
    sharp = (right.log() * temperature).softmax(dim=-1)

    found = fit_temperature(sharp, labels)

    assert found == pytest.approx(temperature, rel=0.08)
    assert torch.allclose(at_temperature(sharp, temperature), right, atol=1e-4)


def test_the_error_falls_and_the_order_stays():
    right, labels = drawn()
    sure = (right.log() * 3).softmax(dim=-1)

    calm = at_temperature(sure, fit_temperature(sure, labels))

    assert calibration_error(sure, labels) > 0.1
    assert calibration_error(calm, labels) < 0.03
    assert torch.equal(calm.argmax(dim=-1), sure.argmax(dim=-1))
    assert torch.allclose(calm.sum(dim=-1), torch.ones(len(calm)))


def test_the_error_is_the_gap_between_confidence_and_accuracy():
    probabilities = torch.tensor([[0.9, 0.1]] * 10 + [[0.31, 0.69]] * 5)
    labels = torch.tensor([0] * 6 + [1] * 4 + [1] * 5)

    expected = 10 / 15 * abs(0.9 - 0.6) + 5 / 15 * abs(0.69 - 1)

    assert calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-5)


def test_absent_labels_do_not_count():
    right, labels = drawn(1000)
    wrong, none = torch.tensor([[1.0, 0, 0, 0, 0]] * 500), torch.full((500,), ABSENT)
    probabilities, with_absent = torch.cat((right, wrong)), torch.cat((labels, none))

    assert fit_temperature(probabilities, with_absent) == fit_temperature(right, labels)
    assert calibration_error(probabilities, with_absent) == calibration_error(right, labels)
    assert fit_temperature(wrong, none) == 1.0


def test_certainty_that_is_wrong_is_no_trouble():
    found = fit_temperature(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([1, 1]))

    assert 0.19 < found < 5.01
    assert at_temperature(torch.tensor([[1.0, 0.0]]), found).isfinite().all()
