"""Estimates of a run's memory and operations, made without running it."""

import pytest
import torch

from model.pretrain import pretraining_loss
from model.tpsbt.autoencoder import DecoderSize, MaskedAutoencoder
from model.train.estimate import estimate
from model.train.loop import Learner
from model.train.optim import pretraining_groups
from model.train.plan import Plan


class Clips:
    def __len__(self):
        return 10

    def __getitem__(self, key):
        return {"pixels": torch.zeros(8, 32, 32, 3, dtype=torch.uint8), "labels": {}}


@pytest.fixture
def learner(micro):
    model = MaskedAutoencoder(micro, DecoderSize(width=24, heads=2, depth=1))
    return Learner("pretraining", micro, {}, model, pretraining_groups(model, 0.05), Clips(), pretraining_loss, 1)


def plan(**changes):
    sizes = {"clips": 10, "batch": 4, "batch_on_device": 2, "processes": 1, "epochs": 3, "warmup_epochs": 0, "seed": 0}
    return Plan(**{**sizes, **changes})


def test_memory_counts_weights_once_and_activations_by_the_micro_batch(learner):
    cpu = torch.device("cpu")
    one, two = (
        estimate(learner, plan(batch_on_device=size), device=cpu, bf16=False, recompute=False) for size in (1, 2)
    )

    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    assert one.weights_gb == two.weights_gb == pytest.approx(16 * parameters / 1e9)
    assert two.activations_gb == pytest.approx(2 * one.activations_gb)
    # At least what the blocks keep of their tokens, at most a hundred times as much.
    assert 4 * 32 * 4 < 1e9 * one.activations_gb < 1e7
    assert (one.clips, one.steps, one.steps_per_epoch) == (10, 6, 2)
    assert one.hours > 0
    assert one.loaded_per_s > 0
    assert not any(parameter.is_meta for parameter in learner.model.parameters())
