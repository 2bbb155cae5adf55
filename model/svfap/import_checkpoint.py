"""Import published checkpoints: a fine-tuned one as a bundle, a pre-training one as a start for fine-tuning.

The encoder's size is inferred from the weights' shapes. `ModelError` lists all mismatches.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mien.contract.bundle import ClipInput, ExpressionTask, Manifest, Task, Training
from model.bundle.write import export_bundle
from model.data import registry
from model.data.faces import CROP
from model.errors import ModelError
from model.svfap.published import ENCODER, fitted, published_name, size_of
from model.tasks import served
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.encoder import Encoder
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.train import checkpoint

# The paper's clips. A checkpoint does not store their shape: positions are computed, so any clip fits.
FRAMES = 16
PIXELS = 160
START = "encoder.pt"
"""File name of an imported pre-trained encoder."""

_GUESSED_RANGE = (
    " Its head is assumed to end in a tanh or sigmoid over the labels' range, which the checkpoint does not say: "
    "evaluate it before you trust its values."
)


def finetuned(weights: Mapping[str, Tensor], tasks: tuple[Task, ...], depths: tuple[int, int, int]) -> AffectModel:
    """Build a model from published fine-tuned weights.

    Args:
        weights: by their published names.
        tasks: the one task of the dataset that the model was fine-tuned on.
        depths: number of blocks in each stage.

    Raises:
        ModelError: the weights do not fit the model.
    """
    model = AffectModel(size_of(weights, depths), tasks)
    _fill(model, weights, {ours: published_name(ours, depths) for ours in model.state_dict()})
    return model.eval()


def pretrained(weights: Mapping[str, Tensor], depths: tuple[int, int, int]) -> dict[str, Any]:
    """Convert published pre-training weights to a checkpoint from which fine-tuning can start.

    Args:
        weights: by their published names.
        depths: number of blocks in each stage.

    Returns:
        The state for `checkpoint.save`.

    Raises:
        ModelError: the weights do not fit the encoder.
    """
    size = size_of(weights, depths, ENCODER)
    part = nn.ModuleDict({"encoder": Encoder(size)})
    _fill(part, weights, {ours: ENCODER + published_name(ours, depths) for ours in part.state_dict()})
    return {"kind": "imported", "size": size._asdict(), "model": part.state_dict(), "about": {}}


def import_finetuned(
    path: Path, weights: Mapping[str, Tensor], folder: Path, *, name: str, depths: tuple[int, int, int]
) -> Manifest:
    """Export a published fine-tuned checkpoint as a bundle.

    Args:
        path: the checkpoint's path, for messages.
        weights: the checkpoint's weights.
        folder: the bundle's folder.
        name: the dataset that it was fine-tuned on; sets labels, interval and crop.
        depths: number of blocks in each stage.

    Raises:
        ModelError: there is no such dataset, or the weights do not fit its tasks.
        ExportRefused: see `export_bundle`.
    """
    dataset = registry.find(name)
    if not dataset.tasks:
        raise ModelError(f"The dataset {name} has no labels of its own: name the one that {path} was fine-tuned on.")
    try:
        model = finetuned(weights, served(dataset.tasks), depths)
    except ModelError as error:
        raise ModelError(f"{path}, as a model of {name}: {error}") from error
    known = all(isinstance(task, ExpressionTask) for task in dataset.tasks)
    data = f"{dataset.title}, by the authors of SVFAP; imported from {path.name}.{'' if known else _GUESSED_RANGE}"
    return export_bundle(
        model,
        folder,
        name=f"svfap-{name}",
        version="1.0.0",
        clip=ClipInput(frames=FRAMES, interval_s=dataset.interval_s, size=PIXELS, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        crop=CROP,
        hop_s=round(FRAMES * dataset.interval_s / 2, 3),
        training=Training(trained=True, data=data),
        licence=f"As set by the checkpoint's authors. Of the dataset: {dataset.licence}",
        intended_use="Research, within what the dataset's owners allow.",
    )


def import_pretraining(path: Path, weights: Mapping[str, Tensor], out: Path, *, depths: tuple[int, int, int]) -> Path:
    """Write a checkpoint from which fine-tuning can start, from a published pre-training checkpoint.

    Args:
        path: the checkpoint's path, for messages.
        weights: the checkpoint's weights.
        out: the folder to write into.
        depths: number of blocks in each stage.

    Returns:
        The path of the written checkpoint.

    Raises:
        ModelError: the weights do not fit.
    """
    try:
        made = pretrained(weights, depths)
    except ModelError as error:
        raise ModelError(f"{path}, as a pre-trained encoder: {error}") from error
    checkpoint.save(out / START, made)
    return out / START


def _fill(module: nn.Module, weights: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    module.load_state_dict(fitted(weights, names, module.state_dict()))
