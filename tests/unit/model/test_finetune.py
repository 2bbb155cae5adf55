from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mien.contract.bundle import ClipInput, ExpressionTask, FaceCrop
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.errors import ModelError
from model.finetune import KIND, FinetuneRecipe, LabelLosses, finetune, initial_model, label_loss
from model.tasks.learnt import SideTask
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.zoo import ZOO
from model.train import checkpoint
from model.train.trained import read_trained
from model.train.validate import TEMPERATURE

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


@pytest.mark.parametrize("again", [True, False])
def test_heads_that_continue_keep_their_scale_and_new_ones_take_the_labels(again, tmp_path):
    task = SideTask(kind="units", names=("AU1", "AU12"))
    before = AffectModel(ZOO["tiny-linear"], (task,), clip=(8, 32))
    before.heads["units"].centre(torch.tensor([0.5, 2.0]), torch.tensor([4.0, 0.01]))
    tasks = [(task if again else SideTask(kind="units", names=("AU1", "AU2"))).model_dump(mode="json")]
    state = {"kind": KIND, "size": before.size._asdict(), "about": {"tasks": tasks}, "model": before.state_dict()}
    checkpoint.save(tmp_path / "last.pt", state)
    recipe = FinetuneRecipe(
        out=tmp_path, data=[{"folder": tmp_path}], clip={"frames": 8, "size": 32}, start=tmp_path / "last.pt", epochs=1,
        warmup_epochs=0, batch=1, batch_on_device=1, learning_rate=1, end_learning_rate=0, betas=(0.9, 0.999),
        weight_decay=0,
    )  # fmt: skip

    _, model, *_ = initial_model(
        recipe, (task,), {"units": torch.tensor([[0.0, 1.0], [1.0, 1.0]])}, {"units": torch.tensor([0.25, 0.25])}
    )

    mean, spread = dict(model.heads["units"].named_buffers()).values()
    torch.testing.assert_close(mean, torch.tensor([0.5, 2.0] if again else [0.5, 1.0]))
    torch.testing.assert_close(spread, torch.tensor([2.0, 0.1] if again else [0.5, 0.5]))


@pytest.fixture
def half_labelled(tmp_path):
    """Write a dataset of eight clips, some of which have a label, and return a recipe for it."""

    def write(*labelled):
        folder = tmp_path / "prepared"
        folder.mkdir()
        units = SideTask(kind="units", names=("AU1", "AU12"))
        about = {"protocol": "fixed", "parts": ("train", "validation"), "interval_s": 0.1, "crop": FaceCrop(margin=0)}
        write_prepared(folder, Prepared(name="csv", tasks=(TASK, units), **about))
        parts, said = ["train"] * 5 + ["validation"] * 3, dict.fromkeys(labelled, "sadness")
        rows = [
            ClipRow(id=str(number), media=f"{number}.png", part=part, units="0 1", expression=said.get(number))
            for number, part in enumerate(parts)
        ]
        write_rows(folder, rows)
        return FinetuneRecipe(
            out=tmp_path / "run", data=[{"folder": folder}], clip={"frames": 8, "size": 32}, size="tiny-linear",
            epochs=1, warmup_epochs=0, batch=1, batch_on_device=1, learning_rate=1, end_learning_rate=0,
            betas=(0.9, 0.999), weight_decay=0,
        )  # fmt: skip

    return write


def test_only_clips_with_a_label_that_can_be_served_count(half_labelled):
    about = finetune(half_labelled(0, 1, 6)).learner.about

    assert (about["clips"], about["held_out"]) == (2, 1)


def test_held_out_clips_without_a_label_are_refused_before_training(half_labelled):
    with pytest.raises(ModelError, match="None of the 3 clips held out for validation has a label of expression, so"):
        finetune(half_labelled(0, 1, 2))


def test_offsets_shift_probabilities_and_not_the_checkpoint(tmp_path):
    task = ExpressionTask(labels=("calm", "sad", "glad"))
    model = AffectModel(ZOO["tiny-linear"], (task,), clip=(8, 32)).eval()
    clip = ClipInput(frames=8, interval_s=0.1, size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    state = {
        "kind": KIND,
        "size": model.size._asdict(),
        "about": {
            "tasks": [task.model_dump(mode="json")],
            "clip": clip.model_dump(mode="json"),
            "crop": FaceCrop(margin=0.05).model_dump(mode="json"),
            "data": [],
        },
        "model": model.state_dict(),
        "scores": {TEMPERATURE: 2.0},
    }
    checkpoint.save(tmp_path / "best.pt", state)

    head = read_trained(tmp_path / "best.pt", {"sad": -0.5, "glad": 0.2}).model.heads["expression"]
    features = torch.rand(3, head.in_features)
    with torch.no_grad():
        before = (model.heads["expression"](features) / 2).softmax(-1)
        after = head.read(head(features))

    expected = (before.log() + torch.tensor([0.0, -0.5, 0.2])).softmax(-1)
    torch.testing.assert_close(after, expected)
    kept = checkpoint.load(tmp_path / "best.pt")["model"]["heads.expression.bias"]
    assert torch.equal(kept, model.heads["expression"].bias)
    with pytest.raises(ModelError, match=r"best\.pt does not predict joy"):
        read_trained(tmp_path / "best.pt", {"sad": -0.5, "joy": 0.2})
