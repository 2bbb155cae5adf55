"""The default bundle: an untrained model of size tiny, which shows that everything around a model works."""

from __future__ import annotations

from pathlib import Path

import torch

from model.export import export_bundle
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.tpsbt.perceiver import Perceiver
from model.tpsbt.zoo import ZOO
from service.contract.bundle import (
    ClipInput,
    Dimension,
    DimensionsTask,
    ExpressionTask,
    FaceCrop,
    Manifest,
    PersonalityTask,
    Training,
)

TASKS = (
    # In DFEW's order, the order of the published checkpoints.
    ExpressionTask(labels=("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")),
    DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal"))),
    PersonalityTask(traits=("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")),
)


def export_default(folder: Path, seed: int) -> Manifest:
    """Write the default bundle; its weights are random, drawn from the seed.

    Raises:
        ExportRefused: see `export_bundle`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        perceiver = Perceiver(ZOO["tiny"], TASKS)
    return export_bundle(
        perceiver,
        folder,
        name="mien-default",
        version="0.1.0",
        clip=ClipInput(frames=16, interval_s=0.08, size=112, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        crop=FaceCrop(margin=0.2),
        hop_s=0.5,
        training=Training(trained=False, data="Nothing: the weights are random."),
        licence="MIT",
        intended_use="Trying the service out, testing it, measuring its speed. Serve a trained one for all else.",
    )
