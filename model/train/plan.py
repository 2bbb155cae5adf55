"""Compute a run's steps and the clips of each step and process.

The order of an epoch depends on (seed, epoch) only, so a run can resume at any step, and processes need not
communicate to agree on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from model.errors import ModelError


@dataclass(frozen=True)
class Plan:
    """The number of steps of a run, and the clips of each step.

    Attributes:
        clips: training clips.
        batch: clips a step, over all processes.
        batch_on_device: clips that a process computes at once (micro-batch).
        processes: processes that share a batch.
        epochs: passes over the clips; clips that do not fill a last batch are dropped in that epoch.
        warmup_epochs: over which the learning rate rises.
        seed: seed of the order of clips.

    Raises:
        ModelError: the batch does not divide, or there are too few clips for one.
    """

    clips: int
    batch: int
    batch_on_device: int
    processes: int
    epochs: int
    warmup_epochs: float
    seed: int

    def __post_init__(self) -> None:
        at_once = self.batch_on_device * self.processes
        if self.batch % at_once:
            raise ModelError(
                f"The key batch = {self.batch} must be a multiple of batch_on_device × processes, "
                f"{self.batch_on_device} × {self.processes} = {at_once}."
            )
        if self.clips < self.batch:
            raise ModelError(
                f"The training part has {self.clips} clips, fewer than one step: lower the key batch = {self.batch}."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return self.clips // self.batch

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    @property
    def warmup(self) -> int:
        """Steps over which the learning rate rises."""
        return min(self.steps, round(self.warmup_epochs * self.steps_per_epoch))

    @property
    def accumulated(self) -> int:
        """Micro-batches of a process in one step (gradient accumulation)."""
        return self.batch // (self.batch_on_device * self.processes)

    def batches(self, step: int, process: int) -> list[list[tuple[int, int]]]:
        """Return a process's micro-batches in a step, each a list of (epoch, index of a clip)."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = _order(self.clips, self.seed, epoch)
        mine = order[within * self.batch : (within + 1) * self.batch][process :: self.processes]
        return [[(epoch, int(clip)) for clip in part] for part in np.split(mine, self.accumulated)]


class PlannedBatches(Sampler[list[tuple[int, int]]]):
    """A process's batches from one step to the end of the run, for a `DataLoader`."""

    def __init__(self, plan: Plan, process: int, first_step: int) -> None:
        self._plan, self._process, self._first = plan, process, first_step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield lists of (epoch, index)."""
        for step in range(self._first, self._plan.steps):
            yield from self._plan.batches(step, self._process)


class Clips(Protocol):
    """A dataset whose clips are drawn anew in each epoch."""

    def __len__(self) -> int:
        """Return the number of clips."""
        ...

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Return the clip of (epoch, index), or of an index in epoch 0.

        A clip is a dict of `pixels`, uint8 (T, H, W, 3), and `labels` by the kind of task. The epoch is part of the
        key, so that loader workers need no state and live on from epoch to epoch.
        """
        ...


@lru_cache(maxsize=2)
def _order(clips: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(clips)
