"""Score a model on the clips held out from training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from model.data.augment import as_floats
from model.tasks.calibration import at_temperature, calibration_error, fit_temperature
from model.tasks.kinds import kind_of
from model.tasks.learnt import LearntTask, served
from model.tasks.levels import ABSENT
from model.tasks.metrics import likeliest
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.normalise import normalise
from model.train.config import Recipe
from model.train.loop import shared_loader
from model.train.plan import Clips

Batch = dict[str, Any]
Tensors = dict[str, Tensor]

TEMPERATURE = "expression temperature"
"""Name of the score that is the calibration temperature (`model.tasks.calibration`)."""
UNCALIBRATED, CALIBRATED = "expression ECE", "expression ECE calibrated"
"""Names of the expected calibration errors without and with the temperature."""


def validation(
    watched: Mapping[str, Clips],
    tasks: tuple[LearntTask, ...],
    recipe: Recipe,
    accelerator: Accelerator,
    calibrated_on: str | None = None,
) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function that scores a model on several sets of clips.

    Its scores are named as "expression UAR", of several sets as "ferplus expression UAR"; `score` (higher is better) is
    the mean over the sets of the mean over the served tasks of their main metric.

    Args:
        watched: the sets by their names; all processes share each.
        tasks: the tasks that the model learns.
        recipe: the batch size and number of loader workers.
        accelerator: the devices.
        calibrated_on: the set that the temperature is fitted on; by default all clips of all sets.
    """
    measures = {name: _outputs_of(clips, tasks, recipe, accelerator) for name, clips in watched.items()}

    def validate(model: nn.Module) -> dict[str, float]:
        found = {name: outputs(model) for name, outputs in measures.items()}
        scores: dict[str, float] = {}
        main: list[float] = []
        for name, (outputs, labels) in found.items():
            measured, its_main = _scores(tasks, outputs, labels)
            scores |= {f"{name} {metric}" if len(found) > 1 else metric: value for metric, value in measured.items()}
            main += its_main
        chosen = [found[calibrated_on]] if calibrated_on else list(found.values())
        return {"score": sum(main) / max(1, len(main)), **scores, **_calibration(tasks, chosen)}

    return validate


def _outputs_of(
    clips: Clips, tasks: tuple[LearntTask, ...], recipe: Recipe, accelerator: Accelerator
) -> Callable[[nn.Module], tuple[Tensors, Tensors]]:
    """Return a function that gives a model's outputs for clips, and their labels, both by the kind of task."""
    loader = shared_loader(clips, recipe, accelerator)

    def outputs_of(model: nn.Module) -> tuple[Tensors, Tensors]:
        affect_model = cast("AffectModel", model)
        outputs: dict[str, list[Tensor]] = {task.kind: [] for task in tasks}
        labels: dict[str, list[Tensor]] = {task.kind: [] for task in tasks}
        with torch.inference_mode():
            for batch in loader:
                pixels = normalise(as_floats(batch["pixels"].to(accelerator.device)))
                for kind, answer in affect_model.read(affect_model(pixels).outputs).items():
                    outputs[kind].append(answer.float().cpu())
                    labels[kind].append(batch["labels"][kind])
        return _from_all(outputs), _from_all(labels)

    return outputs_of


def _scores(tasks: tuple[LearntTask, ...], outputs: Tensors, labels: Tensors) -> tuple[dict[str, float], list[float]]:
    """Return all scores of a set, and the mean of the main metrics in a list; both empty without labels."""
    scores: dict[str, float] = {}
    main: list[float] = []
    for task in tasks:
        found = kind_of(task).measure(task, outputs[task.kind], labels[task.kind])
        scores |= {f"{task.kind} {name}": value for name, value in found.items()}
        if found and task in served(tasks):
            main.append(found[kind_of(task).main_metric])
    return scores, [sum(main) / len(main)] if main else []


def _calibration(tasks: tuple[LearntTask, ...], sets: Sequence[tuple[Tensors, Tensors]]) -> dict[str, float]:
    """Fit the temperature; return it and the calibration errors without and with it."""
    for task in tasks:
        if not kind_of(task).classifies:
            continue
        outputs, labels = (torch.cat([each[side][task.kind] for each in sets]) for side in (0, 1))
        true = likeliest(labels)
        if not (true != ABSENT).any():
            continue
        temperature, before = fit_temperature(outputs, true), calibration_error(outputs, true)
        after = calibration_error(at_temperature(outputs, temperature), true)
        if after > before:  # the fit optimises likelihood, which can worsen a small calibration error
            temperature, after = 1.0, before
        return {TEMPERATURE: temperature, UNCALIBRATED: before, CALIBRATED: after}
    return {}


def _from_all(parts: dict[str, list[Tensor]]) -> Tensors:
    """Gather and concatenate the tensors (B, ...) of all processes."""
    return {kind: torch.cat(gather_object(part)) for kind, part in parts.items()}
