"""Aggregate the scores of a face's windows into one verdict.

Model outputs are averaged over the windows of a face, as the paper averages the views of a clip (Sun et al., SVFAP,
arXiv 2401.00416, section IV). A window's weight is its number of real frames, so that padded windows count for less.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import Task
from mien.contract.events import FaceWindow
from mien.contract.results import Face, FacePicture, Window
from service.vision.clips import Clip, FaceSeen
from service.worker.batcher import Outputs
from service.worker.scores import scores, share, window_scores


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
            **window_scores(tasks, outputs),
            quality=share(clip.quality),
        )
        self.timeline.append(window)
        scored = {name: getattr(window, name) for name in window.model_fields_set}
        x, y, width, height = map(round, clip.box)
        return FaceWindow(track=clip.track, **scored, box=(x, y, width, height))

    def verdict(
        self, tasks: Iterable[Task], seen: FaceSeen, samples: int, pictures: list[FacePicture] | None = None
    ) -> Face:
        """Return the face with its averaged scores; `samples` is the number of sampled frames of the whole video."""
        means = {kind: (total / self._weights[kind]).astype(np.float32) for kind, total in self._sums.items()}
        return Face(
            track=seen.track,
            start_s=round(seen.start_s, 3),
            end_s=round(seen.end_s, 3),
            coverage=round(min(1.0, seen.samples / samples), 4),
            **scores(tasks, means),
            timeline=sorted(self.timeline, key=lambda window: (window.start_s, window.end_s)),
            path=[(round(time_s, 3), round(x), round(y), round(w), round(h)) for time_s, x, y, w, h in seen.path],
            **({} if pictures is None else {"pictures": pictures}),
        )
