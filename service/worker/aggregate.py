"""Aggregate the scores of a face's windows into one verdict.

Model outputs are averaged over the windows of a face, as the paper averages the views of a clip (Sun et al., SVFAP,
arXiv 2401.00416, section IV). A window's weight is its number of real frames, so that padded windows count for less.
Dimensions are rescaled from their range in the manifest to [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import DimensionsTask, ExpressionTask, Task
from mien.contract.events import FaceWindow
from mien.contract.results import Expression, Face, Scores, Window
from service.vision.clips import Clip, FaceSeen
from service.worker.batcher import Outputs

_DIGITS = 4


def scores(tasks: Iterable[Task], outputs: Outputs) -> Scores:
    """Convert model outputs to scores; tasks without an output, and personality, stay unset."""
    found: dict[str, Expression | float] = {}
    for task in tasks:
        if task.kind not in outputs:
            continue
        values = outputs[task.kind]
        if isinstance(task, ExpressionTask):
            found["expression"] = Expression(
                label=task.labels[int(np.argmax(values))], scores=_by_name(task.labels, values)
            )
        elif isinstance(task, DimensionsTask):
            for dimension, value in zip(task.dimensions, values, strict=True):
                share = (float(value) - dimension.minimum) / (dimension.maximum - dimension.minimum)
                found[dimension.name] = round(min(max(2 * share - 1, -1.0), 1.0), _DIGITS)
    return Scores.model_validate(found)


class FaceScores:
    """Accumulate the scored windows of one face and the weighted sums of their outputs."""

    def __init__(self) -> None:
        self.timeline: list[Window] = []
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._weights: dict[str, int] = {}

    def add(self, tasks: Iterable[Task], clip: Clip, outputs: Outputs) -> FaceWindow:
        """Add the outputs of one clip to the timeline and the sums; return its scored window."""
        for kind, values in outputs.items():
            self._sums[kind] = self._sums.get(kind, 0) + clip.frames * values.astype(np.float64)
            self._weights[kind] = self._weights.get(kind, 0) + clip.frames
        window = Window(
            start_s=round(clip.start_s, 3),
            end_s=round(clip.end_s, 3),
            **_set_fields(scores(tasks, outputs)),
            quality=_unit(clip.quality),
        )
        self.timeline.append(window)
        return FaceWindow(track=clip.track, **_set_fields(window))

    def verdict(self, tasks: Iterable[Task], seen: FaceSeen, samples: int) -> Face:
        """Return the face with its averaged scores; `samples` is the number of sampled frames of the whole video."""
        tasks = list(tasks)
        means = {kind: (total / self._weights[kind]).astype(np.float32) for kind, total in self._sums.items()}
        personality = {
            task.kind: _by_name(task.traits, means[task.kind])
            for task in tasks
            if task.kind == "personality" and task.kind in means
        }
        return Face(
            track=seen.track,
            start_s=round(seen.start_s, 3),
            end_s=round(seen.end_s, 3),
            coverage=round(min(1.0, seen.samples / samples), 4),
            **_set_fields(scores(tasks, means)),
            **personality,
            timeline=sorted(self.timeline, key=lambda window: (window.start_s, window.end_s)),
            path=[(round(time_s, 3), round(x), round(y), round(w), round(h)) for time_s, x, y, w, h in seen.path],
        )


def _set_fields(found: Scores) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.model_fields_set}


def _by_name(names: Iterable[str], values: NDArray[np.float32]) -> dict[str, float]:
    return {name: _unit(float(value)) for name, value in zip(names, values, strict=True)}


def _unit(value: float) -> float:
    # A float32 sigmoid or mean may leave [0, 1] by the last bit.
    return round(min(max(value, 0.0), 1.0), _DIGITS)
