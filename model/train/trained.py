"""Read a fine-tuned model from a run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from mien.contract.bundle import ClipInput, FaceCrop
from model.errors import ModelError
from model.tasks.heads import ExpressionHead
from model.tasks.learnt import TASKS
from model.tpsbt.affect_model import AffectModel
from model.train import checkpoint
from model.train.holdout import TEST
from model.train.validate import TEMPERATURE


class Trained(NamedTuple):
    """A fine-tuned model with its metadata."""

    model: AffectModel
    """In evaluation mode."""
    clip: ClipInput
    crop: FaceCrop
    scores: dict[str, float]
    """Validation scores, on clips held out from training."""
    data: tuple[str, ...]
    """Descriptions of its training datasets."""
    clips: int | None = None
    """Number of training clips with labels; None if the run did not record it."""
    held_out: int | None = None
    """Number of held-out clips with labels, which the scores are of, likewise."""


def kept_parts(state: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return the folders of the data that a fine-tuning checkpoint was trained on, each with the part it left out.

    Data that a run only validated on (`times: 0`) is not among them.

    For a mean of several runs that are the parts of each: where they differ, each part taught some of the runs.
    """
    sources = [source for source in state["config"].get("data", ()) if source.get("times", 1)]
    recipe = [(source["folder"], source["test"] or TEST) for source in sources]
    return [(Path(folder), part) for folder, part in state["about"].get("kept", recipe)]  # runs of before have none


def read_trained(run: Path, offsets: Mapping[str, float] = MappingProxyType({})) -> Trained:
    """Read the best checkpoint of a fine-tuning run.

    Args:
        run: the run's folder, or one of its checkpoints.
        offsets: numbers to add to the logarithms of expressions' probabilities, by label.

    Raises:
        ModelError: there is no such checkpoint, or it does not predict one of the labels.
    """
    path = run / checkpoint.BEST if run.is_dir() else run
    state = checkpoint.load(path, "finetuning")
    about = state["about"]
    clip = ClipInput.model_validate(about["clip"])
    tasks = TASKS.validate_python(about["tasks"])
    model = AffectModel(checkpoint.size_of(state), tasks, clip=(clip.frames, clip.size))
    checkpoint.fill(model, state["model"], path)
    scores: dict[str, float] = state.get("scores", {})
    unknown = set(offsets)
    for head in model.heads.values():
        if isinstance(head, ExpressionHead):
            head.temperature = scores.get(TEMPERATURE, 1.0)
            head.shift(torch.tensor([offsets.get(label, 0.0) for label in head.labels]))
            unknown -= set(head.labels)
    if unknown:
        raise ModelError(f"{path} does not predict {', '.join(sorted(unknown))}: give offsets of its own labels.")
    return Trained(
        model.eval(),
        clip,
        FaceCrop.model_validate(about["crop"]),
        scores,
        tuple(about["data"]),
        about.get("clips"),
        about.get("held_out"),
    )
