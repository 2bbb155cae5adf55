"""Scores a model on the clips that were held out from training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from model.calibration import at_temperature, calibration_error, fit_temperature
from model.data.augment import as_floats
from model.tasks import LearntTask, served
from model.tpsbt.normalise import normalise
from model.tpsbt.perceiver import Perceiver
from model.train.config import Recipe
from model.train.metrics import measure
from model.train.plan import Clips
from service.contract.bundle import ExpressionTask

Batch = dict[str, Any]

TEMPERATURE = "expression temperature"
"""The score that says by what logits must be divided (`model.calibration`)."""
UNCALIBRATED, CALIBRATED = "expression ECE", "expression ECE calibrated"
"""The scores that say how far confidence and accuracy are apart, without and with the temperature."""

# What the best checkpoint is picked by: the paper's measure of each kind of task.
_MAIN = {"expression": "UAR", "dimensions": "CCC", "personality": "accuracy"}


def validation(
    clips: Clips, tasks: tuple[LearntTask, ...], recipe: Recipe, accelerator: Accelerator
) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function that measures a model on the clips, which all processes share.

    Its scores are named as "expression UAR"; `score` is the mean of the main one of each task
    that is served, the better the higher.
    """
    mine = range(accelerator.process_index, len(clips), accelerator.num_processes)
    part = Subset(cast("Dataset[Batch]", clips), mine)
    loader: DataLoader[Batch] = DataLoader(
        part,
        recipe.batch_on_device,
        num_workers=recipe.workers,
        multiprocessing_context="fork" if recipe.workers else None,
    )

    def validate(model: nn.Module) -> dict[str, float]:
        perceiver = cast("Perceiver", model)
        outputs: dict[str, list[Tensor]] = {task.kind: [] for task in tasks}
        labels: dict[str, list[Tensor]] = {task.kind: [] for task in tasks}
        with torch.inference_mode():
            for batch in loader:
                pixels = normalise(as_floats(batch["pixels"].to(accelerator.device)))
                for kind, answer in perceiver.read(perceiver(pixels).answers).items():
                    outputs[kind].append(answer.float().cpu())
                    labels[kind].append(batch["labels"][kind])
        return _scores(tasks, _from_all(outputs), _from_all(labels))

    return validate


def _scores(tasks: tuple[LearntTask, ...], outputs: dict[str, Tensor], labels: dict[str, Tensor]) -> dict[str, float]:
    scores: dict[str, float] = {}
    main: list[float] = []
    for task in tasks:
        found = measure(task, outputs[task.kind], labels[task.kind])
        scores |= {f"{task.kind} {name}": value for name, value in found.items()}
        if found and isinstance(task, ExpressionTask):
            probabilities, true = outputs[task.kind], labels[task.kind]
            scores[TEMPERATURE] = fit_temperature(probabilities, true)
            scores[CALIBRATED] = calibration_error(at_temperature(probabilities, scores[TEMPERATURE]), true)
            if scores[CALIBRATED] > scores[UNCALIBRATED]:  # it is fitted by likelihood, and there was little to mend
                scores[TEMPERATURE], scores[CALIBRATED] = 1.0, scores[UNCALIBRATED]
        if found and task in served(tasks):
            main.append(found[_MAIN[task.kind]])
    return {"score": sum(main) / max(1, len(main)), **scores}


def _from_all(parts: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """Bring together what the processes have, each tensor (B, ...)."""
    return {kind: torch.cat(gather_object(part)) for kind, part in parts.items()}
