"""Provide the clips on which variants of a graph are compared with it.

B clips, T frames, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import ClipInput
from model.data.clip_dataset import ClipDataset
from model.data.prepared import read_prepared, read_rows
from model.errors import ModelError
from model.train.holdout import TEST, VALIDATION

CLIPS = 200
"""Number of clips, or fewer where there are not as many: of 200, one may change its label."""
_AT_ONCE = 4
_GRID = 8  # squares of a random pattern in each direction


class ParityClips(NamedTuple):
    """Clips to compare graphs on."""

    data: str
    """Description of the clips."""
    batches: Iterable[NDArray[np.uint8]]
    """(B, T, H, W, 3) each."""


def random_clips(clip: ClipInput) -> ParityClips:
    """Return clips of coarse random patterns with noise, still or with each frame different, dark and bright."""
    random = np.random.default_rng(0)
    patterns = (np.stack([_pattern(clip, random) for _ in range(_AT_ONCE)]) for _ in range(0, CLIPS, _AT_ONCE))
    return ParityClips("random patterns", patterns)


def prepared_clips(folder: Path, clip: ClipInput) -> ParityClips:
    """Return clips of a prepared dataset, evenly from its validation part, or from all but the test part.

    Raises:
        ModelError: the folder is not a prepared dataset, or has no clips.
    """
    prepared, rows = read_prepared(folder), read_rows(folder)
    validation = [row for row in rows if row.part == VALIDATION]
    rows = validation or [row for row in rows if row.part != TEST]
    if not rows:
        raise ModelError(f"{folder} has no clips to compare on: name another prepared folder with --clips.")
    chosen = [rows[number * len(rows) // CLIPS] for number in range(CLIPS)] if len(rows) > CLIPS else rows
    dataset = ClipDataset(folder, chosen, tasks=(), clip=clip, interval_s=clip.interval_s, mode="test", views=(1, 1))
    part = f"the part {VALIDATION} of " if validation else ""
    return ParityClips(f"{part}{prepared.name}", _batches(dataset))


def _batches(dataset: ClipDataset) -> Iterator[NDArray[np.uint8]]:
    for first in range(0, len(dataset), _AT_ONCE):
        last = min(first + _AT_ONCE, len(dataset))
        yield np.stack([dataset[index]["pixels"].numpy() for index in range(first, last)])


def _pattern(clip: ClipInput, random: np.random.Generator) -> NDArray[np.uint8]:
    low, high = np.sort(random.integers(0, 256, 2))
    frames = random.choice([1, clip.frames])
    coarse = random.uniform(low, high, (frames, _GRID, _GRID, 3))
    which = np.arange(clip.size) * _GRID // clip.size
    noise = random.normal(0, random.uniform(0, 30), clip.shape)
    return np.clip(coarse[:, which][:, :, which] + noise, 0, 255).astype(np.uint8)  # (T or 1, H, W, 3) + (T, H, W, 3)
