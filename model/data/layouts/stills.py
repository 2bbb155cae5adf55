"""Sets of labelled pictures, as `.npz` files of arrays (`model.data.media.arrays_in`).

ferplus   ferplus_0.npz …: `images` (N, 48, 48), `part` (N,) train or valid, `columns` (10,), and `votes` (N, 10): how
          many of ten people chose each column. FER2013's pictures (Goodfellow et al., 2013) with the labels of FER+
          (Barsoum et al., arXiv 1608.01041).
pictures  pictures_0.npz …: `jpegs` and `offsets`, `labels` (N,), `person` (N,) a number or −1, `part` (N,) train or
          valid: the pictures of github.com/muxspace/facial_expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model.data.dataset import Problem, PublishedDataset
from model.data.media import arrays_in
from model.data.prepared import ClipRow
from model.errors import ModelError

_PARTS = {"train": "train", "valid": "validation", "test": "test"}
_OUTLIER = 1
"""Votes that are taken for slips, as FER+'s own code takes them (Barsoum et al., section 4)."""


def read_ferplus(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | Problem]:
    """Read FER+: pictures that most people took for one of the dataset's expressions, with the votes on all of them.

    What most people took for contempt, for no face or for something unknown is a problem.
    """
    for path in _files(root, "ferplus"):
        arrays = arrays_in(path)
        columns = arrays["columns"].tolist()
        chosen = [columns.index(code) for code in dataset.codes]
        votes = np.where(arrays["votes"] > _OUTLIER, arrays["votes"], 0)
        for number, (all_votes, part) in enumerate(zip(votes, arrays["part"], strict=True)):
            clip, winner = f"{path.stem}/{number}", columns[all_votes.argmax()]
            if winner in dataset.codes and all_votes.any():
                yield ClipRow(
                    id=clip,
                    media=str(path / str(number)),
                    part=_PARTS[str(part)],
                    expression=dataset.expression(winner, f"{path}, {number}"),
                    votes=" ".join(str(vote) for vote in all_votes[chosen]),
                )
            else:
                yield Problem(clip, f"Most people took it for {winner if all_votes.any() else 'nothing in common'}.")


def read_pictures(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | Problem]:
    """Read the pictures, each with one expression."""
    for path in _files(root, "pictures"):
        arrays = arrays_in(path)
        for number, label in enumerate(arrays["labels"]):
            person = int(arrays["person"][number])
            yield ClipRow(
                id=f"{path.stem}/{number}",
                media=str(path / str(number)),
                part=_PARTS[str(arrays["part"][number])],
                subject=str(person) if person >= 0 else "",
                expression=dataset.expression(str(label), f"{path}, {number}"),
            )


def _files(root: Path, name: str) -> list[Path]:
    found = sorted(root.glob(f"{name}_*.npz"))
    if not found:
        raise ModelError(f"{root / f'{name}_0.npz'} is missing: {root} is not laid out as docs/training.md says.")
    return found
