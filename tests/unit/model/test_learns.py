"""A small model learns its clips, instead of giving the same output for each, as one once did."""

import pytest
import torch

from mien.contract.bundle import ExpressionTask
from model.data.augment import as_floats
from model.finetune import LabelLosses, label_loss
from model.pretrain import pretraining_loss
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.autoencoder import DECODERS, MaskedAutoencoder
from model.tpsbt.normalise import normalise
from model.tpsbt.zoo import ZOO
from model.train.optim import finetuning_groups, optimisers, pretraining_groups, set_rate
from model.train.schedule import cosine

SIZE = 32
SIZES = {"paper": ZOO["tiny"]._replace(stem=None, heads_by_place=False), "tiny": ZOO["tiny"]}
TASK = ExpressionTask(labels=("left", "right", "up", "down"))


def moving_bars(clips=8, frames=16):
    """Bars that move one pixel a frame; the label is where to. uint8 (B, T, H, W, 3)."""
    labels = torch.arange(clips) % 4
    pixels = torch.empty(clips, frames, SIZE, SIZE, 3, dtype=torch.uint8)
    for clip, label in enumerate(labels.tolist()):
        for time in range(frames):
            moved = torch.arange(SIZE) + (time if label % 2 == 0 else -time) + clip
            bars = 255 * (moved // 4 % 2)
            across = bars if label < 2 else bars[:, None]  # (W,) or (H, 1)
            pixels[clip, time] = across.expand(SIZE, SIZE)[..., None]
    return {"pixels": pixels, "labels": {"expression": torch.eye(4)[labels]}}


def train(model, groups, loss_of, steps, peak):
    (optimiser,) = optimisers(model, groups, (0.9, 0.95))
    losses = []
    model.train()
    for step in range(steps):
        set_rate(optimiser, cosine(step, steps=steps, warmup=steps // 10, peak=peak, end=1e-6))
        loss = loss_of(model, moving_bars(), torch.Generator().manual_seed(step % 4))["loss"]
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("size", "steps"),
    [(SIZES["paper"], 40), (SIZES["tiny"], 80)],  # so many that the stem's norms have averaged enough
    ids=SIZES,
)
@pytest.mark.parametrize("peak", [1e-3, 3e-3])
def test_a_handful_of_clips_is_learned_by_heart(size, steps, peak):
    model = AffectModel(size, [TASK], clip=(16, SIZE))
    groups = finetuning_groups(model, size.depths, weight_decay=0.05, layer_decay=1.0)

    train(model, groups, label_loss((TASK,), LabelLosses()), steps, peak)

    batch = moving_bars()
    with torch.no_grad():
        chances = model.eval()(normalise(as_floats(batch["pixels"]))).outputs["expression"].softmax(dim=1)
    assert chances.argmax(dim=1).tolist() == batch["labels"]["expression"].argmax(dim=1).tolist()
    assert chances.amax(dim=1).min() > 0.7


@pytest.mark.parametrize(
    ("size", "steps", "peak", "bound"),
    # Bars are linear in bars, but not in what convolutions make of them.
    [(SIZES["paper"], 100, 3e-3, 0.5), (SIZES["tiny"], 200, 1e-3, 0.8)],
    ids=SIZES,
)
def test_hidden_tubelets_are_learned(size, steps, peak, bound):
    model = MaskedAutoencoder(size, DECODERS["tiny"])

    losses = train(model, pretraining_groups(model, 0.05), pretraining_loss, steps, peak)

    assert losses[0] > 1  # what a prediction of zero costs, and more
    assert losses[-1] < bound
