"""Import published checkpoints: a fine-tuned one as a bundle, a pre-training one as a start for fine-tuning.

The encoder's size is inferred from the weights' shapes. `ModelError` lists all mismatches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mien.contract.bundle import ClipInput, Manifest, Task, Training, VariantPrecision
from model.bundle.write import export_bundle
from model.data import registry
from model.data.dataset import PublishedDataset
from model.data.faces import CROP
from model.errors import ModelError
from model.svfap.published import (
    ENCODER,
    MASK_TOKEN,
    decoder_of,
    fitted,
    has_head,
    of_pretraining,
    published_name,
    published_pretraining_name,
    size_of,
    without_head,
)
from model.tasks.heads import Activation, RegressionHead
from model.tasks.kinds import kind_of
from model.tasks.learnt import served
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.autoencoder import MaskedAutoencoder
from model.tpsbt.encoder import Encoder
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.train import checkpoint

# The paper's clips. A checkpoint does not store their shape: positions are computed, so any clip fits.
FRAMES = 16
PIXELS = 160
_INTERVAL_S = 0.16  # stride 4 at 25 frames a second
START = "encoder.pt"
"""File name of an imported pre-trained encoder."""

_GUESSED_RANGE = (
    " Its head is assumed to end in a tanh or sigmoid over the labels' range, which the checkpoint does not say: "
    "evaluate it before you trust its values."
)


def finetuned(
    weights: Mapping[str, Tensor],
    tasks: tuple[Task, ...],
    depths: tuple[int, int, int],
    activation: Activation | None = None,
) -> AffectModel:
    """Build a model from published fine-tuned weights.

    Args:
        weights: by their published names.
        tasks: the one task that the model was fine-tuned for.
        depths: number of blocks in each stage.
        activation: of a regression's head; by default ours for the kind of task.

    Raises:
        ModelError: the weights do not fit the model.
    """
    size = size_of(weights, depths)
    if not has_head(weights):
        raise ModelError(
            "it has no head (head.weight), so it cannot answer: leave out --dataset and what its outputs are, and its "
            "encoder becomes a start for training."
        )
    model = AffectModel(size, tasks)
    _fill(model, weights, {ours: published_name(ours, depths) for ours in model.state_dict()})
    if activation:
        for head in model.heads.values():
            if not isinstance(head, RegressionHead):
                raise ModelError("an activation is for outputs that are values: leave out --activation for classes.")
            head.activation = activation
    return model.eval()


def pretrained(weights: Mapping[str, Tensor], depths: tuple[int, int, int]) -> dict[str, Any]:
    """Convert published pre-training weights to a checkpoint from which pre-training and fine-tuning can start.

    Args:
        weights: by their published names; of a fine-tuned model without a head, too.
        depths: number of blocks in each stage.

    Returns:
        The state for `checkpoint.save`.

    Raises:
        ModelError: the weights do not fit the encoder, or the decoder where there is one.
    """
    if not of_pretraining(weights):
        weights = without_head(weights)
    size, decoder = size_of(weights, depths, ENCODER), decoder_of(weights)
    model = MaskedAutoencoder(size, decoder) if decoder else nn.ModuleDict({"encoder": Encoder(size)})
    if MASK_TOKEN in weights:
        weights = {**weights, MASK_TOKEN: weights[MASK_TOKEN].flatten()}  # (1, 1, E) → (E,)
    _fill(model, weights, {ours: published_pretraining_name(ours, depths) for ours in model.state_dict()})
    about = {"decoder": decoder._asdict()} if decoder else {}
    return {"kind": "imported", "size": size._asdict(), "model": model.state_dict(), "about": about}


def import_finetuned(
    path: Path,
    weights: Mapping[str, Tensor],
    folder: Path,
    *,
    name: str | None,
    depths: tuple[int, int, int],
    task: Task | None = None,
    activation: Activation | None = None,
    interval_s: float | None = None,
    variants: Sequence[VariantPrecision] = (),
    clips: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Export a published fine-tuned checkpoint as a bundle.

    Args:
        path: the checkpoint's path, for messages.
        weights: the checkpoint's weights.
        folder: the bundle's folder.
        name: the dataset that it was fine-tuned on; sets labels, interval and licence. None where `task` says all.
        depths: number of blocks in each stage.
        task: what the outputs of the head are; by default the dataset's.
        activation: of a regression's head; by default Mien's for the kind of task, with a warning in the bundle.
        interval_s: seconds between two frames; by default the dataset's, or the paper's.
        variants: other precisions to write the graph in.
        clips: prepared dataset on whose clips the variants are compared; by default on random patterns.
        progress: called with the name of each step when it begins.

    Raises:
        ModelError: there is no such dataset, or the weights do not fit the task.
        ExportRefused: see `export_bundle`.
        VariantRefused: see `export_bundle`.
    """
    dataset = registry.find(name) if name else None
    tasks = (task,) if task else _tasks_of(dataset, path)
    progress("Building the model")
    try:
        model = finetuned(weights, tasks, depths, activation)
    except ModelError as error:
        raise ModelError(f"{path}, as a model of {name or tasks[0].kind}: {error}") from error
    known = activation is not None or all(kind_of(task).classifies for task in tasks)
    trained_on = f"{dataset.title}, by the authors of SVFAP; imported" if dataset else "Imported"
    interval_s = interval_s or (dataset.interval_s if dataset else _INTERVAL_S)
    of_the_dataset = f" Of the dataset: {dataset.licence}" if dataset else ""
    return export_bundle(
        model,
        folder,
        name=f"svfap-{name or re.sub(r'[^a-z0-9._-]+', '-', path.stem.lower())}",
        version="1.0.0",
        clip=ClipInput(frames=FRAMES, interval_s=interval_s, size=PIXELS, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        crop=CROP,
        hop_s=round(FRAMES * interval_s / 2, 3),
        training=Training(trained=True, data=f"{trained_on} from {path.name}.{'' if known else _GUESSED_RANGE}"),
        licence=f"As set by the checkpoint's authors.{of_the_dataset}",
        intended_use="Research, within what the dataset's owners allow.",
        variants=variants,
        clips=clips,
        progress=progress,
    )


def import_pretraining(path: Path, weights: Mapping[str, Tensor], out: Path, *, depths: tuple[int, int, int]) -> Path:
    """Write a checkpoint to start from, with the decoder if there is one, from a published pre-training checkpoint.

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


def _tasks_of(dataset: PublishedDataset | None, path: Path) -> tuple[Task, ...]:
    if dataset is None:
        raise ModelError(
            f"The outputs of {path} are unknown: name the dataset that it was fine-tuned on, as --dataset dfew, or "
            "the outputs, as --dimensions valence:-1:1 arousal:-1:1."
        )
    if not (tasks := served(dataset.tasks)):
        raise ModelError(
            f"{dataset.title} has no labels of its own: name the model's outputs, as --dimensions valence:-1:1 "
            "arousal:-1:1."
        )
    return tasks


def _fill(module: nn.Module, weights: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    module.load_state_dict(fitted(weights, names, module.state_dict()))
