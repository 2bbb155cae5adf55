"""Import of the authors' checkpoints: a fine-tuned one becomes a bundle, a pre-training one a start for fine-tuning.

Sizes are read off the shapes. `ModelError` says what does not fit, all of it.
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

# The paper's clips. A checkpoint does not tell: positions are computed, and any clip would do.
FRAMES = 16
PIXELS = 160
START = "encoder.pt"
"""What a pre-trained encoder is written to."""

_GUESSED_RANGE = (
    " Its head was taken to end in a tanh or sigmoid over the labels' range, which the checkpoint does not tell: "
    "evaluate it before you trust its values."
)


def finetuned(weights: Mapping[str, Tensor], tasks: tuple[Task, ...], depths: tuple[int, int, int]) -> AffectModel:
    """Make a model of published fine-tuned weights.

    Args:
        weights: by their published names.
        tasks: the one task of the dataset that they were tuned on.
        depths: blocks in each stage.

    Raises:
        ModelError: they do not fit.
    """
    model = AffectModel(size_of(weights, depths), tasks)
    _fill(model, weights, {ours: published_name(ours, depths) for ours in model.state_dict()})
    return model.eval()


def pretrained(weights: Mapping[str, Tensor], depths: tuple[int, int, int]) -> dict[str, Any]:
    """Make a checkpoint for fine-tuning to start from of published pre-training weights.

    Args:
        weights: by their published names.
        depths: blocks in each stage.

    Returns:
        What `checkpoint.save` takes.

    Raises:
        ModelError: they do not fit.
    """
    size = size_of(weights, depths, ENCODER)
    part = nn.ModuleDict({"encoder": Encoder(size)})
    _fill(part, weights, {ours: ENCODER + published_name(ours, depths) for ours in part.state_dict()})
    return {"kind": "imported", "size": size._asdict(), "model": part.state_dict(), "about": {}}


def import_finetuned(
    path: Path, weights: Mapping[str, Tensor], folder: Path, *, name: str, depths: tuple[int, int, int]
) -> Manifest:
    """Write a bundle of a published fine-tuned checkpoint.

    Args:
        path: the checkpoint, for messages.
        weights: what it holds.
        folder: the bundle's.
        name: of the dataset that it was tuned on, whose labels, interval and crop are taken.
        depths: blocks in each stage.

    Raises:
        ModelError: there is no such dataset, or the weights do not fit it.
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
        licence=f"As the checkpoint's authors say. Of the dataset: {dataset.licence}",
        intended_use="Research, within what the dataset's owners allow.",
    )


def import_pretraining(path: Path, weights: Mapping[str, Tensor], out: Path, *, depths: tuple[int, int, int]) -> Path:
    """Write a checkpoint for fine-tuning to start from of a published pre-training checkpoint.

    Args:
        path: the checkpoint, for messages.
        weights: what it holds.
        out: the folder to write into.
        depths: blocks in each stage.

    Returns:
        The checkpoint that was written.

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
