"""Read acted expressions, labelled by file and folder names: CREMA-D, RAVDESS, eNTERFACE'05.

    CREMA-D       VideoFlash/1001_DFA_ANG_XX.flv: actor, sentence, emotion, level
    RAVDESS       Actor_01/02-01-06-01-02-01-01.mp4: modality (02: video only), channel (01: speech), emotion,
                  intensity, statement, repetition, actor
    eNTERFACE'05  subject 1/anger/sentence 1/s1_an_1.avi; subject 6 has no folders for sentences

Folds are split by actor, in order; no actor is in two of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from model.data.dataset import ClipProblem, PublishedDataset, row_or_problem
from model.data.layouts import tables
from model.data.prepared import ClipRow
from model.errors import ModelError

_CREMA_D = re.compile(r"(?P<actor>\d{4})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_[A-Z]{1,2}")
_RAVDESS = re.compile(r"02-01-(?P<emotion>\d\d)-\d\d-\d\d-\d\d-(?P<actor>\d\d)")
_OTHER_RAVDESS = re.compile(r"\d\d(-\d\d){6}")  # with sound, or sung
_ENTERFACE = re.compile(r"subject (?P<actor>\d+)/(?P<emotion>[^/]+)/(.+/)?[^/]+")


def read_crema_d(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read CREMA-D."""
    found = tables.videos(tables.folder(root, "VideoFlash"))
    fold = _consecutive(range(1001, 1092), list(dataset.subjects.values()), dataset.parts)
    for path in found:
        if path.stem not in dataset.left_out:
            yield _row(dataset, path, path.stem, _CREMA_D, fold)


def read_ravdess(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read RAVDESS."""
    fold = _consecutive(range(1, 25), list(dataset.subjects.values()), dataset.parts)
    for path in tables.videos(root):
        if _RAVDESS.fullmatch(path.stem) or not _OTHER_RAVDESS.fullmatch(path.stem):
            yield _row(dataset, path, path.stem, _RAVDESS, fold)


def read_enterface(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read eNTERFACE'05; its subjects are split into folds as evenly as possible."""
    actors = sorted(
        int(p.name.removeprefix("subject ")) for p in root.iterdir() if re.fullmatch(r"subject \d+", p.name)
    )
    if not actors:
        raise ModelError(f"{root / 'subject 1'} is missing: {root} does not have the dataset's published layout.")
    sizes = [len(part) for part in np.array_split(actors, len(dataset.parts))]
    fold = _consecutive(actors, sizes, dataset.parts)
    for path in tables.videos(root):
        yield _row(dataset, path, path.relative_to(root).with_suffix("").as_posix(), _ENTERFACE, fold)


def _consecutive(actors: Sequence[int], sizes: Sequence[int], parts: Sequence[str]) -> dict[int, str]:
    """Return actor → part: the first `sizes[0]` actors are in `parts[0]`, and so on."""
    names = np.repeat(parts, sizes)
    return {actor: str(name) for actor, name in zip(actors, names, strict=True)}


def _row(
    dataset: PublishedDataset, path: Path, clip: str, pattern: re.Pattern[str], fold: dict[int, str]
) -> ClipRow | ClipProblem:
    match = pattern.fullmatch(clip)
    if match is None:
        return ClipProblem(clip, f"{path} does not follow the dataset's naming scheme.")
    actor = int(match["actor"])
    if actor not in fold:
        return ClipProblem(clip, f"{path}: the dataset has no actor {actor}.")
    emotion = match["emotion"]
    return row_or_problem(
        clip,
        lambda: ClipRow(
            id=clip,
            media=str(path),
            subject=str(actor),
            part=fold[actor],
            expression=dataset.expression(emotion, str(path)),
        ),
    )
