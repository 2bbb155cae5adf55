"""The clips of shards, read front to back: for disks and networks on which reading here and there is slow.

The items are those of `ClipDataset`, which stays the way to read shards where a clip at any place costs little.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import webdataset
from torch.utils.data import IterableDataset, get_worker_info

from model.data.clips import ClipDataset, Item
from model.data.media import open_held


class ClipStream(IterableDataset[Item]):
    """The items of a dataset in shards; in mode "train" in an order of shards that is drawn for each epoch.

    Each shard is read by one process of one machine.

    Args:
        clips: says what an item is; its folder has shards.
        rank: which of the machines' processes this one is.
        world: how many of them there are.
    """

    def __init__(self, clips: ClipDataset, *, rank: int = 0, world: int = 1) -> None:
        self._clips = clips
        self._rank = rank
        self._world = world
        rows = sorted(range(len(clips.media)), key=lambda row: clips.media[row])
        self._shards = [
            (shard, {clips.media[row].name: row for row in found})
            for shard, found in groupby(rows, key=lambda row: clips.media[row].parent)
        ]

    def __iter__(self) -> Iterator[Item]:
        order = np.arange(len(self._shards))
        if self._clips.draws is not None:
            order = np.random.default_rng(self._clips.draws).permutation(order)
        worker = get_worker_info()
        process, processes = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in order[self._rank * processes + process :: self._world * processes]:
            yield from self._read(*self._shards[number])

    def _read(self, shard: Path, rows: dict[str, int]) -> Iterator[Item]:
        for found in webdataset.WebDataset(str(shard), shardshuffle=False, workersplitter=None, nodesplitter=None):
            if (row := rows.get(found["__key__"])) is not None:
                files = {name: content for name, content in found.items() if not name.startswith("__")}
                opened = partial(open_held, f"{shard}/{found['__key__']}", files, self._clips.fps[row])
                yield from self._clips.items(row, opened)
