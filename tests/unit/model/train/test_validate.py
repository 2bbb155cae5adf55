from types import SimpleNamespace

import pytest
import torch

from mien.contract.bundle import ExpressionTask
from model.train.validate import CALIBRATED, TEMPERATURE, UNCALIBRATED, validation


class Fixed:
    """Answers with the same probabilities whatever it is shown."""

    def __init__(self, probabilities):
        self.probabilities = torch.tensor(probabilities)

    def __call__(self, clips):
        return SimpleNamespace(outputs={"expression": self.probabilities.expand(len(clips), -1)})

    def read(self, answers):
        return answers


@pytest.fixture
def scores():
    """Probabilities that a model always answers with, and how many clips of each set have each label → its scores."""

    def measure(probabilities, *counts, calibrated_on=None):
        task = ExpressionTask(labels=("happiness", "sadness", "neutral"))
        pixels = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
        watched = {
            f"set {number}": [
                {"pixels": pixels, "labels": {"expression": label}}
                for label in torch.eye(3).repeat_interleave(torch.tensor(each), dim=0)
            ]
            for number, each in enumerate(counts)
        }
        recipe = SimpleNamespace(batch_on_device=16, workers=0)
        alone = SimpleNamespace(process_index=0, num_processes=1, device=torch.device("cpu"))
        return validation(watched, (task,), recipe, alone, calibrated_on)(Fixed(probabilities))

    return measure


def test_who_is_too_sure_is_calmed(scores):
    found = scores([0.98, 0.01, 0.01], [60, 20, 20])
    assert found[TEMPERATURE] > 1.5
    assert found[CALIBRATED] < found[UNCALIBRATED] - 0.3


def test_a_temperature_that_brings_confidence_and_accuracy_no_nearer_is_not_taken(scores):
    # The first label is right as often as is said; the others are not, and likelihood would have them all blurred.
    found = scores([0.6, 0.39, 0.01], [60, 20, 20])
    assert found[TEMPERATURE] == 1
    assert found[CALIBRATED] == found[UNCALIBRATED] == pytest.approx(0, abs=1e-6)


def test_the_score_is_the_mean_over_sets_however_many_clips_they_have(scores):
    found = scores([0.6, 0.3, 0.1], [8, 0, 0], [10, 10, 0], [0, 40, 40])

    assert [found[f"set {number} expression UAR"] for number in range(3)] == [1, 0.5, 0]
    assert found["score"] == 0.5


def test_the_temperature_is_of_the_set_that_was_named(scores):
    sure, torn = [98, 1, 1], [40, 30, 30]

    assert scores([0.98, 0.01, 0.01], sure, torn, calibrated_on="set 0")[TEMPERATURE] == pytest.approx(1, abs=0.05)
    assert scores([0.98, 0.01, 0.01], sure, torn, calibrated_on="set 1")[TEMPERATURE] > 3
