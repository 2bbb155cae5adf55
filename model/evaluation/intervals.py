"""Estimate the uncertainty of scores of few clips: percentile bootstrap over clips (Efron and Tibshirani, 1993).

N clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.contract.bundle import Task
from model.evaluation.report import FEW_SCORED, Intervals
from model.evaluation.scores import Scored
from model.tasks.kinds import kind_of

_RESAMPLES = 200
_LEVEL = 0.95


def intervals(tasks: Sequence[Task], scored: Scored) -> Intervals:
    """Return the 95 % interval of each metric of the tasks that fewer than `FEW_SCORED` clips have a label of."""
    found: Intervals = {}
    for task in tasks:
        outputs, labels = scored.outputs[task.kind], scored.labels[task.kind]
        known = ~labels.isnan().all(dim=1)  # (N,)
        outputs, labels = outputs[known], labels[known]
        if not 0 < len(labels) < FEW_SCORED:
            continue
        random = np.random.default_rng(0)
        drawn: dict[str, list[float]] = {}
        for _ in range(_RESAMPLES):
            clips = random.integers(len(labels), size=len(labels))
            for metric, value in kind_of(task).measure(task, outputs[clips], labels[clips]).items():
                drawn.setdefault(metric, []).append(value)
        tail = (1 - _LEVEL) / 2
        found[task.kind] = {
            metric: (float(np.quantile(values, tail)), float(np.quantile(values, 1 - tail)))
            for metric, values in drawn.items()
        }
    return found
