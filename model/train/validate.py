"""Scores a model on the clips that were held out from training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from model.data.augment import as_floats
from model.tpsbt.normalise import normalise
from model.tpsbt.perceiver import Perceiver
from model.train.config import Recipe
from model.train.metrics import measure
from model.train.plan import Clips
from service.contract.bundle import Task

Batch = dict[str, Any]

# What the best checkpoint is picked by: the paper's measure of each kind of task.
_MAIN = {"expression": "UAR", "dimensions": "CCC", "personality": "accuracy"}


def validation(
    clips: Clips, tasks: tuple[Task, ...], recipe: Recipe, accelerator: Accelerator
) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function that measures a model on the clips, which all processes share.

    Its scores are named as "expression UAR"; `score` is the mean of each task's main one, the better the higher.
    """
    mine = range(accelerator.process_index, len(clips), accelerator.num_processes)
    part = Subset(cast("Dataset[Batch]", clips), mine)
    loader: DataLoader[Batch] = DataLoader(part, recipe.batch_on_device, num_workers=recipe.workers)

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


def _scores(tasks: tuple[Task, ...], outputs: dict[str, Tensor], labels: dict[str, Tensor]) -> dict[str, float]:
    scores: dict[str, float] = {}
    main: list[float] = []
    for task in tasks:
        found = measure(task, outputs[task.kind], labels[task.kind])
        scores |= {f"{task.kind} {name}": value for name, value in found.items()}
        if found:
            main.append(found[_MAIN[task.kind]])
    return {"score": sum(main) / max(1, len(main)), **scores}


def _from_all(parts: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """Bring together what the processes have, each tensor (B, ...)."""
    return {kind: torch.cat(gather_object(part)) for kind, part in parts.items()}
