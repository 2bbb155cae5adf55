"""Average the weights of fine-tuned models (model soups: Wortsman et al., arXiv 2203.05482, section 2).

Runs that started from the same weights lie in one basin of the loss, and the mean of their weights is often better than
each. It costs one pass over the validation clips and serves as one model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from model.errors import ModelError
from model.finetune import KIND, FinetuneRecipe, held_out_sets
from model.tasks.learnt import TASKS, LearntTask
from model.tpsbt.affect_model import AffectModel
from model.train import checkpoint
from model.train.loop import accelerator_of
from model.train.trained import kept_parts
from model.train.validate import validation


def average(runs: Sequence[Path], out: Path) -> dict[str, float]:
    """Write the mean of runs' best weights as a run of its own, which can be evaluated, exported and started from.

    Heads that not all runs have are dropped. The mean is validated, and its temperature fitted, on the clips that the
    last run held out.

    Args:
        runs: folders of fine-tuning runs, or checkpoints; two at least.
        out: the new run's folder.

    Returns:
        The validation scores, see `model.train.validate.validation`.

    Raises:
        ModelError: the runs' models differ in size, input or labels, have no task in common, or the last run's data is
            not there any more; or `out` holds a run already.
    """
    if any((out / name).exists() for name in (checkpoint.BEST, checkpoint.LAST)):
        raise ModelError(f"{out} holds a run already: name another folder for the mean.")
    paths = [run / checkpoint.BEST if run.is_dir() else run for run in runs]
    states = [checkpoint.load(path, KIND) for path in paths]
    _check_alike(paths, states)
    last = states[-1]
    tasks = _common_tasks(paths, states)
    recipe = _recipe(paths[-1], last)
    model = AffectModel(checkpoint.size_of(last), tasks, clip=(recipe.clip.frames, recipe.clip.size)).eval()
    weights = {name: _mean([state["model"][name] for state in states]) for name in model.state_dict()}
    checkpoint.fill(model, weights, paths[-1])
    accelerator = accelerator_of(recipe)
    validate = validation(held_out_sets(recipe, tasks), tasks, recipe, accelerator, recipe.calibrated_on)
    scores = validate(accelerator.prepare(model))
    about = {
        **last["about"],
        "tasks": [task.model_dump(mode="json") for task in tasks],
        "data": list(dict.fromkeys(text for state in states for text in state["about"]["data"])),
        "clips": max(state["about"].get("clips") or 0 for state in states),
        "kept": [[str(folder.resolve()), part] for state in states for folder, part in kept_parts(state)],
    }
    averaged = {key: last[key] for key in ("kind", "size", "config")}
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out / checkpoint.BEST, {**averaged, "about": about, "model": weights, "scores": scores})
    return scores


def _check_alike(paths: Sequence[Path], states: Sequence[Mapping[str, Any]]) -> None:
    last = states[-1]
    for path, state in zip(paths, states, strict=True):
        same = {what: state["about"][what] == last["about"][what] for what in ("clip", "crop")}
        for what, is_same in {"size": state["size"] == last["size"], **same}.items():
            if not is_same:
                raise ModelError(f"{path} and {paths[-1]} cannot be averaged: they differ in the key {what}.")


def _common_tasks(paths: Sequence[Path], states: Sequence[Mapping[str, Any]]) -> tuple[LearntTask, ...]:
    """Return the tasks of which all models have a head."""
    mine = [{task["kind"]: task for task in state["about"]["tasks"]} for state in states]
    for path, theirs in zip(paths, mine, strict=True):
        for kind in theirs.keys() & mine[-1].keys():
            if theirs[kind] != mine[-1][kind]:
                raise ModelError(f"{path} and {paths[-1]} cannot be averaged: they differ in the task {kind}.")
    shared = [task for kind, task in mine[-1].items() if all(kind in theirs for theirs in mine)]
    if not shared:
        raise ModelError(f"{' and '.join(map(str, paths))} cannot be averaged: they have no task in common.")
    return TASKS.validate_python(shared)


def _recipe(path: Path, state: Mapping[str, Any]) -> FinetuneRecipe:
    try:
        return FinetuneRecipe.model_validate(state["config"])
    except (KeyError, ValidationError) as error:
        raise ModelError(
            f"{path} has no recipe of this release, so it names no clips to validate on: name another run last."
        ) from error


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors of one shape; of numbers of batches, which nothing reads, the last."""
    return torch.stack(list(values)).mean(0) if values[-1].is_floating_point() else values[-1]
