"""Load the prepared datasets of a recipe and concatenate their clips."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from mien.contract.bundle import ClipInput, FaceCrop
from model.data.augment import Augmentation
from model.data.clip_dataset import ClipDataset
from model.data.object_store import ObjectStore
from model.data.prepared import Prepared, read_prepared, read_rows
from model.errors import ModelError
from model.tasks.learnt import LearntTask
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.train.config import ClipShape, Recipe, Source
from model.train.holdout import Rows
from model.train.plan import Clips


@dataclass(frozen=True)
class SelectedRows:
    """A prepared dataset with a selection of its rows."""

    source: Source
    prepared: Prepared
    rows: Rows

    def of(self, rows: Rows) -> SelectedRows:
        """Return the same dataset with other rows."""
        return replace(self, rows=rows)


def find(recipe: Recipe) -> list[SelectedRows]:
    """Read the datasets that a recipe names.

    Raises:
        ModelError: one is not there, or is broken.
    """
    return [SelectedRows(source, read_prepared(source.folder), read_rows(source.folder)) for source in recipe.data]


def digest(*sets: Sequence[SelectedRows]) -> str:
    """Return a hash of the clips and labels of sets of datasets, in hexadecimal; not of where the files are."""
    found = hashlib.sha256()
    for parts in sets:
        for part in parts:
            for row in part.rows:
                found.update(row.model_dump_json(exclude={"media"}).encode())
            found.update(b";")
        found.update(b".")
    return found.hexdigest()


def common_crop(found: Sequence[SelectedRows]) -> FaceCrop:
    """Return the face crop that all datasets share.

    Raises:
        ModelError: their crops differ.
    """
    crops = {part.prepared.crop: part.source.folder for part in found}
    if len(crops) > 1:
        raise ModelError(
            f"{' and '.join(map(str, crops.values()))} crop faces differently: prepare them with the same margin."
        )
    return next(iter(crops))


def joint_tasks(found: Sequence[SelectedRows]) -> tuple[LearntTask, ...]:
    """Return the tasks of all datasets, each kind once.

    Raises:
        ModelError: there is none, or two datasets have different tasks of one kind.
    """
    tasks: dict[str, tuple[LearntTask, SelectedRows]] = {}
    for part in found:
        for task in part.prepared.tasks:
            known, before = tasks.setdefault(task.kind, (task, part))
            if known != task:
                folders = f"{before.source.folder} and {part.source.folder}"
                raise ModelError(
                    f"{folders} have different tasks of the kind {task.kind}: a model can have one task of a kind."
                )
    if not tasks:
        raise ModelError(f"{found[0].source.folder} has no labels: it can only be used for pre-training.")
    return tuple(task for task, _ in tasks.values())


def clips_of(
    found: Sequence[SelectedRows],
    tasks: Sequence[LearntTask],
    shape: ClipShape,
    *,
    seed: int,
    interval_s: float | None = None,
    augment: Augmentation | None = None,
    train: bool = True,
    hold: bool = False,
) -> Joined:
    """Concatenate the clips of all datasets.

    Args:
        found: the datasets.
        tasks: tasks whose labels to load; labels that a dataset lacks are absent.
        shape: the shape of a clip.
        seed: seed of starts and augmentation.
        interval_s: seconds between two frames; by default each dataset's own.
        augment: augmentation of training clips.
        train: whether a clip's start is random in each epoch, or centred.
        hold: see `ClipDataset`.
    """
    parts = [
        ClipDataset(
            part.source.folder,
            part.rows,
            tasks=tasks,
            clip=clip_input(shape, interval_s or part.prepared.interval_s),
            interval_s=interval_s or part.prepared.interval_s,
            mode="train" if train else "test",
            seed=seed,
            augment=augment,
            views=(1, 1),
            store=ObjectStore(part.source.shards) if part.source.shards else None,
            hold=hold,
        )
        for part in found
    ]
    return Joined(parts, [part.source.times if train else 1 for part in found])


def clip_input(shape: ClipShape, interval_s: float) -> ClipInput:
    """Describe a recipe's clips as the input of a bundle."""
    return ClipInput(frames=shape.frames, size=shape.size, interval_s=interval_s, mean=IMAGENET_MEAN, std=IMAGENET_STD)


class Joined:
    """Concatenate datasets, each repeated `times` times, with another draw for each repetition."""

    def __init__(self, parts: Sequence[Clips], times: Sequence[int]) -> None:
        self._parts = parts
        self._times = times
        self._ends = list(accumulate(len(part) * count for part, count in zip(parts, times, strict=True)))

    def __len__(self) -> int:
        """See `Clips`."""
        return self._ends[-1]

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """See `Clips`."""
        epoch, index = (0, key) if isinstance(key, int) else key
        number = bisect_right(self._ends, index)
        part, count = self._parts[number], self._times[number]
        time, row = divmod(index - (self._ends[number - 1] if number else 0), len(part))
        return part[epoch * count + time, row]
