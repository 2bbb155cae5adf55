"""Evaluate models on parts of a prepared dataset. Training and the choice of checkpoints never read a test part.

2 × 2 views of each clip, their probabilities and values averaged (Sun et al., SVFAP, arXiv 2401.00416). With folds,
each model is scored on the part that it was not trained on, and then all clips are scored together.
PyTorch and ONNX Runtime share all steps (`evaluation.scoring`).

N clips, B views at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader

from mien.contract.bundle import Task
from model.data.clip_dataset import ClipDataset
from model.data.labels import count_labelled, label_columns
from model.data.prepared import ClipRow, Prepared, read_prepared, read_rows
from model.errors import ModelError
from model.evaluation.common_tasks import common_tasks
from model.evaluation.groups import group_scores
from model.evaluation.intervals import intervals
from model.evaluation.report import EvaluationReport, PartScores
from model.evaluation.scores import LEVELS, Scored, confusion_of, labelled, measured
from model.evaluation.scoring import Scorer
from model.evaluation.trials import Trial

VIEWS = (2, 2)
"""Temporal and spatial views of a clip."""
_CLIPS_AT_ONCE = 2
_WORKERS = 2


def evaluate(trials: Sequence[Trial], data: Path) -> EvaluationReport:
    """Score models on parts of a prepared dataset.

    Raises:
        ModelError: a part is empty, has no labels or comes twice, the models and the data do not fit, or a clip cannot
            be read.
    """
    prepared, rows = read_prepared(data), read_rows(data)
    _check_alike(trials)
    tasks = common_tasks(trials[0].scorer, prepared.name, prepared.tasks)
    chosen = {trial.part: [row for row in rows if row.part == trial.part] for trial in trials}
    if len(chosen) < len(trials):
        raise ModelError("Two models would score one part, whose clips would count twice: give each its own.")
    for part, clips in chosen.items():
        if not clips:
            raise ModelError(f"The part {part} of {data} is empty: clips.csv has no clip of it.")
        if not count_labelled(label_columns(clips, tasks, prepared.tasks)):
            kinds = ", ".join(task.kind for task in tasks)
            raise ModelError(f"The part {part} of {data} cannot be scored: none of its clips has a label of {kinds}.")
    scored = [score(trial.scorer, data, chosen[trial.part], tasks) for trial in trials]
    parts = tuple(
        PartScores(
            part=trial.part,
            model=trial.scorer.name,
            clips=len(chosen[trial.part]),
            labelled=labelled(tasks, found),
            scores=measured(tasks, found),
            intervals=intervals(tasks, found),
        )
        for trial, found in zip(trials, scored, strict=True)
    )
    together = _pooled(scored)
    return EvaluationReport(
        data=prepared.name,
        views=VIEWS[0] * VIEWS[1],
        warnings=_warnings(trials, prepared),
        parts=parts,
        pooled=measured(tasks, together),
        pooled_intervals=intervals(tasks, together),
        confusion=confusion_of(tasks, together),
        groups=group_scores(tasks, [row for trial in trials for row in chosen[trial.part]], together),
    )


def score(scorer: Scorer, data: Path, rows: Sequence[ClipRow], tasks: Sequence[Task]) -> Scored:
    """Score clips of a prepared dataset.

    Args:
        scorer: the model.
        data: the prepared dataset's folder.
        rows: the clips.
        tasks: the model's tasks to score.
    """
    clips = ClipDataset(
        data, rows, tasks=tasks, clip=scorer.clip, interval_s=scorer.clip.interval_s, mode="test", views=VIEWS
    )
    views = VIEWS[0] * VIEWS[1]
    loader = DataLoader(clips, batch_size=_CLIPS_AT_ONCE * views, num_workers=_WORKERS)
    outputs: dict[str, Tensor] = {}
    for batch in track(loader, description=scorer.name, transient=True):
        for kind, values in scorer(batch["pixels"].numpy()).items():
            sums = outputs.setdefault(kind, torch.zeros(len(rows), values.shape[1]))
            sums.index_add_(0, batch["index"], torch.from_numpy(values))  # (B, columns) → (N, columns)
    wanted = {task.kind for task in tasks} | {LEVELS}
    return Scored({key: values / views for key, values in outputs.items() if key in wanted}, clips.labels)


def _check_alike(trials: Sequence[Trial]) -> None:
    first = trials[0].scorer
    for trial in trials:
        if trial.scorer.tasks != first.tasks:
            raise ModelError(f"{first.name} and {trial.scorer.name} have different tasks or labels.")


def _pooled(scored: Sequence[Scored]) -> Scored:
    def join(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        return {kind: torch.cat([part[kind] for part in parts]) for kind in parts[0]}

    return Scored(join([one.outputs for one in scored]), join([one.labels for one in scored]))


def _warnings(trials: Sequence[Trial], prepared: Prepared) -> tuple[str, ...]:
    learnt = [f"{trial.scorer.name} was trained on the part {trial.part}." for trial in trials if trial.learnt]
    crops = [
        f"{trial.scorer.name} needs faces cropped with a margin of {trial.scorer.crop.margin:g}, and the data has "
        f"{prepared.crop.margin:g}."
        for trial in trials
        if trial.scorer.crop != prepared.crop
    ]
    return tuple(dict.fromkeys(learnt + crops))
