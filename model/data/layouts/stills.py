"""Read sets of labelled pictures from `.npz` files (`model.data.media.arrays_in`).

ferplus   ferplus_0.npz …: `images` (N, 48, 48), `part` (N,) train or valid, `columns` (10,), and `votes` (N, 10):
          how many of ten raters chose each column. FER2013's pictures (Goodfellow et al., 2013) with the labels of FER+
          (Barsoum et al., arXiv 1608.01041).
pictures  pictures_0.npz …: `jpegs` and `offsets`, `labels` (N,), `person` (N,) a number or −1, `part` (N,) train or
          valid: the pictures of github.com/muxspace/facial_expressions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import BadRow, ClipProblem, PublishedDataset, row_or_problem
from model.data.media import arrays_in
from model.data.prepared import ClipRow
from model.errors import ModelError

_PARTS = {"train": "train", "valid": "validation", "test": "test"}
_PRECEDENCE = ("test", "validation", "train")
"""The part that keeps a picture which several have."""
_OUTLIER = 1
"""Up to this many votes for a column are ignored as outliers, as in FER+'s code (Barsoum et al., section 4)."""


def read_ferplus(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read FER+: the pictures with the most votes for one of the dataset's expressions, and all their votes.

    Problems are pictures with the most votes for contempt, no face or unknown, and those that another part has, too:
    FER2013 has the same picture in several parts, which would make scores on the test part too good.

    Raises:
        ModelError: a file lacks an array, or its arrays do not fit together.
    """
    files = _files(root, "ferplus")
    parts = _parts_of(files)
    for path in files:
        arrays = _arrays(path, "part", "images", "votes", "columns")
        columns = arrays["columns"].tolist()
        missing = [code for code in dataset.codes if code not in columns]
        if missing or arrays["votes"].shape[1:] != (len(columns),):
            lacks = f"lacks {missing[0]!r}" if missing else "does not name each column of `votes`"
            raise ModelError(f"{path}: `columns` {lacks}; it is: {', '.join(map(str, columns))}.")
        chosen = [columns.index(code) for code in dataset.codes]
        votes = np.where(arrays["votes"] > _OUTLIER, arrays["votes"], 0)
        for number, all_votes in enumerate(votes):
            clip, winner = f"{path.stem}/{number}", columns[all_votes.argmax()]
            if winner in dataset.codes and all_votes.any():
                about = {
                    "id": clip,
                    "media": str(path / str(number)),
                    "expression": dataset.codes[winner],
                    "votes": " ".join(str(vote) for vote in all_votes[chosen]),
                }
                yield row_or_problem(clip, partial(_voted, about, arrays, path, number, parts))
            else:
                yield ClipProblem(
                    clip, f"Raters most often chose {winner}." if all_votes.any() else "No two raters agree."
                )


def read_pictures(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read muxspace/facial_expressions, pictures with one expression each.

    Raises:
        ModelError: see `read_ferplus`.
    """
    for path in _files(root, "pictures"):
        arrays = _arrays(path, "part", "labels", "person", "offsets", "jpegs")
        for number in range(len(arrays["labels"])):
            yield row_or_problem(f"{path.stem}/{number}", partial(_picture, dataset, path, arrays, number))


def _voted(
    about: Mapping[str, str],
    arrays: Mapping[str, NDArray[Any]],
    path: Path,
    number: int,
    parts: Mapping[bytes, str],
) -> ClipRow | ClipProblem:
    part, kept_in = _part(arrays, path, number), parts[_digest(arrays["images"][number])]
    if part != kept_in:
        return ClipProblem(about["id"], f"The part {kept_in} has the same picture.")
    return ClipRow.model_validate({**about, "part": part})


def _parts_of(files: list[Path]) -> dict[bytes, str]:
    """Return the part that keeps each picture of FER+, by the picture's digest."""
    kept: dict[bytes, str] = {}
    for path in files:
        arrays = _arrays(path, "part", "images", "votes", "columns")
        for picture, name in zip(arrays["images"], arrays["part"].tolist(), strict=True):
            part, digest = _PARTS.get(name, _PRECEDENCE[-1]), _digest(picture)
            kept[digest] = min(part, kept.get(digest, part), key=_PRECEDENCE.index)
    return kept


def _digest(picture: NDArray[np.uint8]) -> bytes:
    return sha256(picture.tobytes()).digest()


def _picture(dataset: PublishedDataset, path: Path, arrays: Mapping[str, NDArray[Any]], number: int) -> ClipRow:
    person = int(arrays["person"][number])
    return ClipRow(
        id=f"{path.stem}/{number}",
        media=str(path / str(number)),
        part=_part(arrays, path, number),
        subject=str(person) if person >= 0 else "",
        expression=dataset.expression(str(arrays["labels"][number]), f"{path}, {number}"),
    )


def _part(arrays: Mapping[str, NDArray[Any]], path: Path, number: int) -> str:
    part = str(arrays["part"][number])
    if part not in _PARTS:
        raise BadRow(f"{path}, {number}: the part {part!r} is not one of {', '.join(_PARTS)}.")
    return _PARTS[part]


_EACH = {"part": 0, "images": 0, "votes": 0, "labels": 0, "person": 0, "offsets": 1}
"""Arrays with an entry for each picture → how many more entries they have."""


def _arrays(path: Path, *names: str) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a file.

    Raises:
        ModelError: one of `names` is missing, or the file has different numbers of pictures.
    """
    arrays = arrays_in(path)
    for name in names:
        if name not in arrays:
            raise ModelError(f"{path} has no array `{name}`; it has: {', '.join(arrays)}.")
    counts = {name: len(arrays[name]) - _EACH[name] for name in names if name in _EACH}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"`{name}` of {count}" for name, count in counts.items())
        raise ModelError(f"{path} has arrays of different numbers of pictures: {told}.")
    return arrays


def _files(root: Path, name: str) -> list[Path]:
    found = sorted(root.glob(f"{name}_*.npz"))
    if not found:
        raise ModelError(f"{root / f'{name}_0.npz'} is missing: see docs/training.md for the layout of {root}.")
    return found
