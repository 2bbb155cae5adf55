"""Split clips into training and validation. The test part is in neither."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from model.data.prepared import ClipRow, Prepared
from model.errors import ModelError

TEST = "test"
VALIDATION = "validation"

Rows = Sequence[ClipRow]


def without_test(prepared: Prepared, rows: Rows, test: str | None) -> Rows:
    """Return the clips outside the test part.

    Args:
        prepared: the dataset, with the names of its parts.
        rows: all clips.
        test: the test part; by default the one called `test`, if there is one.

    Raises:
        ModelError: there is no such part.
    """
    if test is not None and test not in prepared.parts:
        raise ModelError(f"{prepared.name} has no part {test!r} for the key test; it has {', '.join(prepared.parts)}.")
    return [row for row in rows if row.part != (test or TEST)]


def split(prepared: Prepared, rows: Rows, *, test: str | None, share: float, seed: int) -> tuple[Rows, Rows]:
    """Return the clips for training and those for validation.

    Args:
        prepared: the dataset, with the names of its parts.
        rows: all clips.
        test: the test part, see `without_test`; in a dataset with folds it must be named.
        share: share of the clips to hold out if the dataset has no validation part.
        seed: seed of the random choice.

    Raises:
        ModelError: there is no such part, or one of the two is empty.
    """
    if prepared.protocol == "folds" and test is None:
        parts = ", ".join(prepared.parts)
        raise ModelError(f"{prepared.name} has folds: name the one to test on with the key test; it has {parts}.")
    rest = without_test(prepared, rows, test)
    if not rest:
        raise ModelError(f"{prepared.name} has no clips outside its test part {test or TEST!r}.")
    if VALIDATION in prepared.parts and test != VALIDATION:
        training = [row for row in rest if row.part != VALIDATION]
        validation = [row for row in rest if row.part == VALIDATION]
    else:
        training, validation = hold_out(rest, share, seed)
    for name, part in (("training", training), (VALIDATION, validation)):
        if not part:
            raise ModelError(f"{prepared.name} has no clips for {name}: at least two subjects or clips are needed.")
    return training, validation


def hold_out(rows: Rows, share: float, seed: int) -> tuple[list[ClipRow], list[ClipRow]]:
    """Hold out a share of the clips by whole subjects, so that no subject is in both parts.

    A clip without a subject counts as one subject. Subjects are drawn until the share is reached.

    Returns:
        The remaining and the held-out clips, each in the order of `rows`.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        groups[("subject", row.subject) if row.subject else ("clip", row.id)].append(row.id)
    names = sorted(groups)
    held: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(names))[: len(names) - 1]:
        if len(held) >= share * len(rows):
            break
        held.update(groups[names[index]])
    return [row for row in rows if row.id not in held], [row for row in rows if row.id in held]
