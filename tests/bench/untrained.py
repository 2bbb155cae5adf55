from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from mien.contract.bundle import ClipInput, ExpressionTask, FaceCrop, Training, VariantPrecision
from model.bundle.write import export_bundle
from model.data.vocabulary import EXPRESSIONS
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.tpsbt.zoo import ZOO


def export_untrained(
    folder: Path,
    size: str,
    frames: int,
    pixels: int,
    *,
    variants: Sequence[VariantPrecision] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[AffectModel, ClipInput]:
    """Export a model of a size of the zoo with random weights; return it and its input."""
    torch.manual_seed(0)
    clip = ClipInput(frames=frames, interval_s=0.16, size=pixels, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    model = AffectModel(ZOO[size], (ExpressionTask(labels=EXPRESSIONS),), clip=(frames, pixels)).eval()
    for head in model.heads.values():
        torch.nn.init.normal_(head.weight, std=0.1)  # as far from indifferent as a trained one
    export_bundle(
        model,
        folder,
        name=size,
        version="0",
        clip=clip,
        crop=FaceCrop(margin=0.2),
        hop_s=1.28,
        training=Training(trained=False, data="none"),
        licence="MIT",
        intended_use="benchmarks",
        variants=variants,
        progress=progress,
    )
    return model, clip
