"""Score groups of people separately, to show for whom a model is worse."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mien.contract.bundle import Task
from model.data.prepared import ClipRow
from model.evaluation.intervals import intervals
from model.evaluation.report import GroupScores
from model.evaluation.scores import Scored, labelled, measured


def group_scores(tasks: Sequence[Task], rows: Sequence[ClipRow], scored: Scored) -> tuple[GroupScores, ...]:
    """Return the scores of each group that any clip names, by attribute and then by value.

    Args:
        tasks: the tasks to score.
        rows: the scored clips, in the order of `scored`.
        scored: their outputs and labels.
    """
    members: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        for group in (row.groups or "").split():
            attribute, value = group.split("=")
            members.setdefault((attribute, value), []).append(index)
    found = []
    for (attribute, value), indices in sorted(members.items()):
        subset = _subset(scored, torch.tensor(indices))
        found.append(
            GroupScores(
                attribute=attribute,
                value=value,
                clips=len(indices),
                labelled=labelled(tasks, subset),
                scores=measured(tasks, subset),
                intervals=intervals(tasks, subset),
            )
        )
    return tuple(found)


def _subset(scored: Scored, indices: Tensor) -> Scored:
    return Scored(
        {key: values[indices] for key, values in scored.outputs.items()},
        {key: values[indices] for key, values in scored.labels.items()},
    )
