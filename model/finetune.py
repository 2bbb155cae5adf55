"""Fine-tune an encoder and a head for each task on labelled videos (SVFAP, arXiv 2401.00416).

Several tasks are trained together on one encoder; a clip may lack labels for some of them. The published code picks
the best epoch on the test data; here a part of training is held out for that, by subject where subjects are known,
and the test part is not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from mien.contract.bundle import ClipInput
from model.bundle.read_back import read_start
from model.data.augment import STILL, FinetuneAugmentation, as_floats
from model.data.labels import count_labelled, label_columns
from model.data.mix import Mix
from model.data.registry import title_of
from model.errors import ModelError
from model.tasks.heads import Head
from model.tasks.kinds import kind_of
from model.tasks.learnt import LearntKind, LearntTask, served
from model.tasks.losses import REGRESSION_LOSSES, regression_loss, variances
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.encoder import last_tokens
from model.tpsbt.normalise import normalise
from model.tpsbt.zoo import ZOO, Size
from model.train import checkpoint
from model.train.config import Recipe, SizeName
from model.train.holdout import TEST, hold_out, split
from model.train.loop import Batch, Learner, Loop, accelerator_of, plan_of
from model.train.optim import finetuning_groups
from model.train.plan import Clips
from model.train.sources import SelectedRows, clip_input, clips_of, common_crop, digest, find, joint_tasks
from model.train.validate import validation

KIND = "finetuning"


class LabelLosses(BaseModel):
    """Define how losses are computed from labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smoothing: float = Field(0.1, ge=0, lt=1, description="Label smoothing of classes.")
    mix: Mix | None = Field(
        None, description="Mixup and CutMix, for classes; a clip without a label makes the mixed label absent."
    )
    logit_adjustment: NonNegativeFloat = Field(
        0,
        description="Strength of logit adjustment (Menon et al., arXiv 2007.07314): in training, this times the "
        "logarithm of an expression's share of the labels is added to its logit; 1 optimises UAR, 0 accuracy.",
    )
    regression: Literal["mse", "ccc"] = Field(
        "mse",
        description="Loss of values: mse, the squared error over the labels' variance, as in the paper; or ccc, 1 "
        "minus the concordance correlation coefficient over batch_on_device clips, of which it needs many. "
        "Dimensions in levels keep their cross-entropy.",
    )
    weights: dict[LearntKind, NonNegativeFloat] = Field(
        {}, description="Loss weights by the kind of task; 1 for kinds not named."
    )


class FinetuneRecipe(LabelLosses, Recipe):
    """Define the settings of a fine-tuning run."""

    start: Path | None = Field(
        None,
        description="Checkpoint to start from: its encoder and encoder size, and its heads if it was "
        "fine-tuned for the same tasks on clips of this shape. Or a bundle's folder: its encoder.",
    )
    size: SizeName | None = Field(None, description="Encoder size for random initial weights.")
    interval_s: PositiveFloat | None = Field(
        None, description="Seconds between two frames; required if the datasets' own intervals differ."
    )
    layer_decay: PositiveFloat = Field(0.75, le=1, description="Ratio of a block's learning rate to the next block's.")
    frozen_encoder: bool = Field(
        False, description="Train the heads alone, on the encoder of `start` as it is (linear probing); needs `start`."
    )
    stochastic_depth: float = Field(0.1, ge=0, lt=1, description="Drop rate of the last block.")
    augmentation: FinetuneAugmentation | None = FinetuneAugmentation()
    held_out: float = Field(
        0.1, gt=0, lt=1, description="Share of training held out for validation, if there is no such part."
    )
    labelled: float = Field(1, gt=0, le=1, description="Share of the training clips to use, by whole subjects.")
    calibrated_on: str | None = Field(
        None,
        description="Name of the dataset whose held-out clips the temperature is fitted on, or its folder if two have "
        "one name; by default all datasets.",
    )
    validate_every: PositiveInt = Field(1, description="Epochs between validations, each with a checkpoint.")

    @model_validator(mode="after")
    def _has_one_size(self) -> FinetuneRecipe:
        if (self.start is None) == (self.size is None):
            raise ValueError(
                "give either the key start (a checkpoint or a bundle) or the key size (random initial weights)"
            )
        if self.frozen_encoder and self.start is None:
            raise ValueError("the key frozen_encoder needs the key start: heads on random weights learn little")
        return self


def finetune(recipe: FinetuneRecipe) -> Loop:
    """Set up a recipe, from its last checkpoint if there is one; `Loop.run` runs it.

    Raises:
        ModelError: the recipe, its data, its start or its folder cannot be used.
    """
    accelerator = accelerator_of(recipe)
    found = find(recipe)
    tasks, clip = joint_tasks(found), _clip(recipe, found)
    splits = [(part.source.times, *_split(recipe, part)) for part in found]
    training, held_out = [part for times, part, _ in splits if times], [part for *_, part in splits]
    dataset = clips_of(
        training,
        tasks,
        recipe.clip,
        seed=recipe.seed,
        interval_s=clip.interval_s,
        augment=recipe.augmentation,
        hold=recipe.hold,
    )
    watched = _watched(recipe, held_out, tasks, clip)
    torch.manual_seed(recipe.seed)
    seen = [row for part in training for _ in range(part.source.times) for row in part.rows]
    labels = label_columns(seen, tasks, tasks)
    label_variances: dict[str, Tensor] = {
        task.kind: variances(labels[task.kind]) for task in tasks if not kind_of(task).classifies
    }
    size, model, before, clips_before = initial_model(recipe, tasks, labels, label_variances)
    if recipe.augmentation and recipe.augmentation.stills:
        _check_stills(recipe, size, model)
    if recipe.frozen_encoder:
        model.freeze_encoder()
    plan = plan_of(recipe, len(dataset), accelerator)
    learner = Learner(
        kind=KIND,
        size=size,
        about={
            "tasks": _about(tasks),
            "clip": clip.model_dump(mode="json"),
            "crop": common_crop(found).model_dump(mode="json"),
            "data": list(dict.fromkeys([*before, *_described(training)])),
            # Not their sum: a run may start from another on the same clips.
            "clips": max(clips_before, _labelled(training, tasks)),
            "held_out": _labelled(held_out, tasks),
            "digest": digest(training, held_out),
            "kept": [[str(source.folder.resolve()), source.test or TEST] for source in recipe.data],
        },
        model=model,
        groups=finetuning_groups(model, size.depths, weight_decay=recipe.weight_decay, layer_decay=recipe.layer_decay),
        dataset=dataset,
        loss=label_loss(tasks, recipe, label_variances, _priors(tasks, labels)),
        checkpoint_every=recipe.validate_every * plan.steps_per_epoch,
        validate=validation(watched, tasks, recipe, accelerator, recipe.calibrated_on),
    )
    return Loop(recipe, plan, accelerator, learner)


def held_out_sets(recipe: FinetuneRecipe, tasks: Sequence[LearntTask]) -> dict[str, Clips]:
    """Return the clips that a recipe holds out from training, with the labels of some tasks, by their datasets' names.

    Raises:
        ModelError: the recipe or its data cannot be used.
    """
    found = find(recipe)
    return _watched(recipe, [_split(recipe, part)[1] for part in found], tasks, _clip(recipe, found))


def _watched(
    recipe: FinetuneRecipe, held_out: Sequence[SelectedRows], tasks: Sequence[LearntTask], clip: ClipInput
) -> dict[str, Clips]:
    if not _labelled(held_out, tasks):
        kinds = ", ".join(task.kind for task in served(tasks)) or "a task that can be served"
        raise ModelError(
            f"None of the {sum(len(part.rows) for part in held_out)} clips held out for validation has a label of "
            f"{kinds}, so no epoch can be chosen: label some of them, or hold out others (the key held_out)."
        )
    watched: dict[str, Clips] = {
        name: clips_of(
            parts,
            tasks,
            recipe.clip,
            seed=recipe.seed,
            interval_s=clip.interval_s,
            train=False,
            hold=recipe.hold,
        )
        for name, parts in _by_name(held_out).items()
    }
    if recipe.calibrated_on not in {None, *watched}:
        raise ModelError(f"The key calibrated_on = {recipe.calibrated_on} is none of: {', '.join(watched)}.")
    return watched


def _labelled(parts: Sequence[SelectedRows], tasks: Sequence[LearntTask]) -> int:
    """Count the clips that have a label of a task that a bundle can have."""
    return sum(count_labelled(label_columns(part.rows, served(tasks), part.prepared.tasks)) for part in parts)


def label_loss(
    tasks: tuple[LearntTask, ...],
    recipe: LabelLosses,
    label_variances: Mapping[str, Tensor] = MappingProxyType({}),
    priors: Mapping[str, Tensor] = MappingProxyType({}),
) -> Callable[[nn.Module, Batch, torch.Generator], dict[str, Tensor]]:
    """Return a function that computes a batch's loss: the weighted sum of its tasks' losses, and each by its kind.

    Args:
        tasks: the tasks to train.
        recipe: smoothing, weights, mixing.
        label_variances: by kind, the variances that squared errors are divided by, so that tasks weigh alike.
        priors: by the kind of task, each expression's share of the labels, (L,), for `logit_adjustment`.
    """

    def batch_loss(model: nn.Module, batch: Batch, draw: torch.Generator) -> dict[str, Tensor]:
        clips = as_floats(batch["pixels"])
        expected: dict[str, Tensor] = {
            task.kind: kind_of(task).targets(task, batch["labels"][task.kind], recipe.smoothing) for task in tasks
        }
        if recipe.mix:
            clips, expected = recipe.mix(clips, expected, draw)
        outputs = model(normalise(clips)).outputs
        losses: dict[str, Tensor] = {}
        for task in tasks:
            variance = label_variances.get(task.kind)
            variance = None if variance is None else variance.to(clips.device)
            output = outputs[task.kind]
            if task.kind in priors:
                output = output + recipe.logit_adjustment * priors[task.kind].to(output).log()
            loss = kind_of(task).loss
            loss = REGRESSION_LOSSES[recipe.regression] if loss is regression_loss else loss
            losses[task.kind] = loss(output, expected[task.kind], variance)
        weighed = [recipe.weights.get(task.kind, 1.0) * losses[task.kind] for task in tasks]
        return {"loss": torch.stack(weighed).sum(), **losses}

    return batch_loss


def _priors(tasks: tuple[LearntTask, ...], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute each expression's share of the labels, (L,), at least one in ten thousand."""
    return {
        task.kind: labels[task.kind].nanmean(dim=0).nan_to_num().clamp(min=1e-4)
        for task in tasks
        if kind_of(task).classifies
    }


def _centre(model: AffectModel, labels: Mapping[str, Tensor], label_variances: Mapping[str, Tensor]) -> None:
    for kind, variance in label_variances.items():
        cast("Head", model.heads[kind]).centre(labels[kind].nanmean(dim=0).nan_to_num(), variance)


def _check_stills(recipe: FinetuneRecipe, size: Size, model: AffectModel) -> None:
    """Refuse stills if heads read each token and a still has another number of tokens than a clip."""
    still, clip = (last_tokens(size, frames, recipe.clip.size) for frames in (STILL, recipe.clip.frames))
    if model.by_place and still != clip:
        raise ModelError(
            f"This encoder gives {clip} tokens for clips of {recipe.clip.frames} frames and {still} for stills, and "
            "its heads read each token: choose another size or clip length (the key clip.frames), or remove the key "
            "augmentation.stills."
        )


def _about(tasks: tuple[LearntTask, ...]) -> list[dict[str, Any]]:
    return [task.model_dump(mode="json") for task in tasks]


def initial_model(
    recipe: FinetuneRecipe,
    tasks: tuple[LearntTask, ...],
    labels: Mapping[str, Tensor],
    label_variances: Mapping[str, Tensor],
) -> tuple[Size, AffectModel, list[str], int]:
    """Return the size, the initial model, its datasets before, and the number of clips that taught its heads before.

    Heads that begin anew are centred on the labels; heads that continue stay as they are.
    """
    start = None if recipe.start is None else read_start(recipe.start)
    size = ZOO[recipe.size or "base"] if start is None else checkpoint.size_of(start)
    model = AffectModel(size, tasks, recipe.stochastic_depth, (recipe.clip.frames, recipe.clip.size))
    _centre(model, labels, label_variances)
    if start is None or recipe.start is None:
        return size, model, [], 0
    about = start["about"]
    heads = model.heads.state_dict(prefix="heads.")
    fits = all(name in start["model"] and start["model"][name].shape == head.shape for name, head in heads.items())
    if start["kind"] == KIND and about["tasks"] == _about(tasks) and fits:
        checkpoint.fill(model, start["model"], recipe.start)
        return size, model, about.get("data", []), about.get("clips", 0)
    checkpoint.start_encoder(model.encoder, start, recipe.start)
    return size, model, about.get("data", []), 0  # heads begin anew


def _clip(recipe: FinetuneRecipe, found: list[SelectedRows]) -> ClipInput:
    intervals = {part.prepared.interval_s: part.source.folder for part in found}
    if recipe.interval_s is None and len(intervals) > 1:
        folders = " and ".join(map(str, intervals.values()))
        raise ModelError(
            f"{folders} have different sampling intervals: set the key interval_s, seconds between two frames."
        )
    return clip_input(recipe.clip, recipe.interval_s or next(iter(intervals)))


def _by_name(found: Sequence[SelectedRows]) -> dict[str, list[SelectedRows]]:
    """Group datasets by their names, and those of one name by their folders."""
    folders: dict[str, set[Path]] = {}
    for part in found:
        folders.setdefault(part.prepared.name, set()).add(part.source.folder)
    named: dict[str, list[SelectedRows]] = {}
    for part in found:
        name = part.prepared.name
        named.setdefault(name if len(folders[name]) == 1 else str(part.source.folder), []).append(part)
    return named


def _described(training: Sequence[SelectedRows]) -> Iterator[str]:
    """Yield the title of each dataset with its number of clips."""
    clips: Counter[str] = Counter()
    for part in training:
        clips[title_of(part.prepared.name)] += len(part.rows)
    yield from (f"{title}, {count} clips" for title, count in clips.items())


def _split(recipe: FinetuneRecipe, part: SelectedRows) -> tuple[SelectedRows, SelectedRows]:
    training, held_out = split(part.prepared, part.rows, test=part.source.test, share=recipe.held_out, seed=recipe.seed)
    if recipe.labelled < 1:
        _, training = hold_out(training, recipe.labelled, recipe.seed)
    return part.of(training), part.of(held_out)
