from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mien.contract.bundle import ExpressionTask
from model.finetune import LabelLosses, label_loss

TASK = ExpressionTask(labels=("happiness", "sadness", "neutral"))
SHARES = torch.tensor([0.7, 0.2, 0.1])


class Constant(nn.Module):
    """Answers with the same logits whatever it is shown."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, clips):
        return SimpleNamespace(outputs={"expression": self.logits.expand(len(clips), -1)})


@pytest.mark.parametrize(
    ("adjustment", "best"), [(0.0, [0.7, 0.2, 0.1]), (1.0, [1 / 3] * 3), (0.5, SHARES.sqrt().tolist())]
)
def test_logit_adjustment_takes_frequencies_out_of_what_a_model_says(adjustment, best):
    """Who sees nothing does best with probabilities that go as shares of labels to the power of 1 − adjustment."""
    labels = torch.eye(3).repeat_interleave(torch.tensor([7, 2, 1]), dim=0)
    batch = {"pixels": torch.zeros(10, 2, 16, 16, 3, dtype=torch.uint8), "labels": {"expression": labels}}
    recipe = LabelLosses(smoothing=0, logit_adjustment=adjustment)
    model = Constant([float(torch.tensor(value).log()) for value in best])

    loss = label_loss((TASK,), recipe, priors={"expression": SHARES})(model, batch, torch.Generator())["loss"]
    loss.backward()

    assert model.logits.grad.abs().max() < 1e-6


def test_without_adjustment_the_loss_is_what_it_was():
    labels = torch.eye(3)
    batch = {"pixels": torch.zeros(3, 2, 16, 16, 3, dtype=torch.uint8), "labels": {"expression": labels}}
    model = Constant([0.3, -0.2, 0.1])

    plain = label_loss((TASK,), LabelLosses())(model, batch, torch.Generator())
    told = label_loss((TASK,), LabelLosses(), priors={"expression": SHARES})(model, batch, torch.Generator())

    assert plain["loss"] == told["loss"]
