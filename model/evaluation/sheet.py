"""Draw a contact sheet of a prepared folder, to check the training data by eye."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.clip_dataset import ClipDataset
from model.data.prepared import ClipRow, read_prepared, read_rows
from model.errors import ModelError
from model.train.config import ClipShape
from model.train.sources import clip_input

_SHOWN = 4  # pictures of a clip
_COLUMNS = 4  # clips side by side
_SIDE = 112  # pixels


def write_sheet(folder: Path, out: Path, *, clips: int, seed: int) -> None:
    """Write a picture of a prepared folder's clips with their labels, a few of each expression.

    Args:
        folder: a folder that `mien-model render` or `prepare` wrote.
        out: the PNG file.
        clips: number of clips.
        seed: seed of the random choice.

    Raises:
        ModelError: the folder is empty, it or a clip cannot be read, or the picture not be written.
    """
    if not cv2.haveImageWriter(str(out)):
        raise ModelError(f"{out} is no name of a picture: give one that ends in .png.")
    rows = _chosen(read_rows(folder), clips, np.random.default_rng(seed))
    if not rows:
        raise ModelError(f"{folder} has no clips.")
    interval_s = read_prepared(folder).interval_s
    frames = clip_input(ClipShape(frames=8, size=_SIDE), interval_s)
    shown = ClipDataset(folder, rows, tasks=(), clip=frames, interval_s=interval_s, mode="test", views=(1, 1))
    strips = [_strip(shown[index]["pixels"].numpy(), row) for index, row in enumerate(rows)]
    strips += [np.zeros_like(strips[0])] * (-len(strips) % _COLUMNS)
    lines = [np.hstack(strips[first : first + _COLUMNS]) for first in range(0, len(strips), _COLUMNS)]
    out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(out), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR)):
        raise ModelError(f"{out} cannot be written.")


def _chosen(rows: Sequence[ClipRow], clips: int, random: np.random.Generator) -> list[ClipRow]:
    """Choose clips of each label in turn, and sort them by label."""
    by_label: dict[str, list[ClipRow]] = {}
    for index in random.permutation(len(rows)):
        by_label.setdefault(rows[index].expression or "", []).append(rows[index])
    in_turn = (row for turn in zip_longest(*by_label.values()) for row in turn if row is not None)
    return sorted(islice(in_turn, clips), key=lambda row: (row.expression or "", row.id))


def _strip(pixels: NDArray[np.uint8], row: ClipRow) -> NDArray[np.uint8]:
    pictures = np.hstack(pixels[np.linspace(0, len(pixels) - 1, _SHOWN).astype(int)])
    named = f"{row.expression or '?'}"
    if row.valence is not None and row.arousal is not None:
        named += f"  v {row.valence:+.2f} a {row.arousal:+.2f}"
    shown = np.ascontiguousarray(pictures)
    cv2.putText(shown, named, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(shown, named, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 0), 1, cv2.LINE_AA)
    return shown
