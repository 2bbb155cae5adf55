"""Load the clips of a prepared dataset as a PyTorch dataset.

An item is a dict:

    pixels  uint8 (T, H, W, 3), RGB
    labels  task kind → what `model.data.labels` says, for one clip: (), or (columns,)
    index   int64 (): which of the rows the clip is of

Frames are sampled in seconds: what is on display at start + k·interval_s, by the same code that serves; a clip that
is too short repeats its last frame, as in the service. A still repeats its only frame.
"""

from __future__ import annotations

import logging
import math
import mmap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mien.contract.bundle import ClipInput
from model.data.augment import Augmentation
from model.data.labels import label_columns
from model.data.media import ClipUnreadable, Media, is_still, open_media, read_still
from model.data.object_store import ObjectStore
from model.data.prepared import ClipRow, read_prepared
from model.data.sampling import Sampling
from model.data.shards import open_sharded
from model.errors import ModelError
from model.tasks.learnt import LearntTask

Item = dict[str, Any]

_ROUNDING_S = 1e-3
_REPLACEMENTS = 20  # maximum number of unreadable clips in a row
_log = logging.getLogger(__name__)


class ClipDataset(Dataset[Item]):
    """The clips of some rows.

    Mode "train": one clip a row, from a start that is drawn for each (seed, epoch, index), augmented from the same
    draw. A clip that cannot be read is replaced by another random one, and logged.

    Mode "test": `views` (temporal, spatial) of each row, in the order of rows, then time, then space; a row's are
    averaged by `index`. Temporal views begin evenly from the clip's start to where the last one ends with it. The
    paper's spatial views are the two ends of a wide picture; a face's crop is square, where these are the same twice,
    so the second is the mirror image here. A clip that cannot be read is an error.

    Args:
        folder: the prepared dataset.
        rows: the rows to load.
        tasks: the tasks whose labels to load.
        clip: what the model takes.
        interval_s: seconds between two frames.
        mode: see above.
        seed: seed of random starts and augmentations.
        augment: changes clips in mode "train".
        views: (temporal, spatial) clips of each row in mode "test"; (1, 1) is the middle of each.
        store: where the shards are, if not in the folder.
        hold: keep decoded clips in memory; rows must be no longer than a clip, so that they give the same one each
            time. Forked processes share the memory.

    Raises:
        ModelError: there is not enough memory for the held clips, or there are no shards.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[ClipRow],
        *,
        tasks: Sequence[LearntTask],
        clip: ClipInput,
        interval_s: float,
        mode: Literal["train", "test"],
        seed: int = 0,
        augment: Augmentation | None = None,
        views: tuple[int, int] = (2, 2),
        store: ObjectStore | None = None,
        hold: bool = False,
    ) -> None:
        cv2.setNumThreads(1)  # OpenCV's threads would make a forked loader process hang, and the pictures are small
        prepared = read_prepared(folder)
        self._media = [folder / row.media for row in rows]  # the rows are not kept: they need several times the memory
        self._fps = [row.fps for row in rows]
        self._spans = [(row.start_s, row.end_s) for row in rows]
        self._stills = [row.fps is None and is_still(folder / row.media) for row in rows]
        self.labels = label_columns(rows, tasks, prepared.tasks)
        if store is not None and not prepared.shards:
            raise ModelError(f"{folder} has no shards to read from {store.url}: prepare it with --shards.")
        self._open = partial(_open_sharded, store) if prepared.shards else open_media
        self._sampling = Sampling(clip.frames, interval_s, clip.size, prepared.region, prepared.fit)
        self._frames = clip.frames
        self._mode = mode
        self._seed = seed
        self._augment = augment
        self._views = views if mode == "test" else (1, 1)
        self._held = _Held(self._fixed(clip.frames * interval_s), self._stills, clip) if hold else None
        self._last: tuple[tuple[int, int], NDArray[np.uint8]] | None = None

    def __len__(self) -> int:
        return len(self._media) * self._views[0] * self._views[1]

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        """Return the clip of an index, or of (epoch, index); an index alone is of epoch 0."""
        epoch, index = (0, key) if isinstance(key, int) else key
        if not 0 <= index < len(self):
            raise IndexError(f"there is no item {index} of {len(self)}")
        row, view = divmod(index, self._views[0] * self._views[1])
        if self._mode == "train":
            pixels, row = self._training_clip(epoch, row)
        else:
            pixels = self._view(row, *divmod(view, self._views[1]))
        labels = {kind: column[row] for kind, column in self.labels.items()}
        return {"pixels": torch.from_numpy(pixels), "labels": labels, "index": torch.tensor(row)}

    def _training_clip(self, epoch: int, row: int) -> tuple[NDArray[np.uint8], int]:
        random = np.random.default_rng([self._seed, epoch, row])
        for _ in range(_REPLACEMENTS):
            try:
                # The share is drawn also for a clip in memory, so that what follows does not depend on what is there.
                pixels = self._take(row, partial(self._sampling.start_s, share=float(random.random())))
            except ClipUnreadable as error:
                _log.warning("Another clip is taken: %s", error)
                row = int(random.integers(len(self._media)))
            else:
                return np.ascontiguousarray(pixels if self._augment is None else self._augment(pixels, random)), row
        raise ClipUnreadable(f"{_REPLACEMENTS} clips in a row cannot be read; the next would be {self._media[row]}.")

    def _view(self, row: int, temporal: int, spatial: int) -> NDArray[np.uint8]:
        if self._last is None or self._last[0] != (row, temporal):
            share = temporal / (self._views[0] - 1) if self._views[0] > 1 else 0.5
            self._last = (row, temporal), self._take(row, partial(self._sampling.view_start_s, share=share))
        pixels = self._last[1]
        return np.ascontiguousarray(pixels[:, :, ::-1] if spatial % 2 else pixels)

    def _fixed(self, clip_s: float) -> list[int]:
        """Return the rows that have the length of a clip, or less."""
        most_s = clip_s + _ROUNDING_S
        return [
            row
            for row, ((start_s, end_s), still) in enumerate(zip(self._spans, self._stills, strict=True))
            if still or (end_s or math.inf) - start_s <= most_s
        ]

    def _take(self, row: int, start: Callable[[float], float]) -> NDArray[np.uint8]:
        """Return a clip (T, H, W, 3); of a still, all T are one picture in memory."""
        if self._held is None or row not in self._held:
            pixels = self._read(row, start)
        else:
            pixels = self._held.get(row, lambda: self._read(row, start))
        return np.broadcast_to(pixels, (self._frames, *pixels.shape[1:])) if self._stills[row] else pixels

    def _read(self, row: int, start: Callable[[float], float]) -> NDArray[np.uint8]:
        """Decode a clip (T, H, W, 3), or a still's one picture (1, H, W, 3)."""
        if self._stills[row]:
            return self._sampling.fitted(read_still(self._media[row]))[None]
        begin_s, end_s = self._spans[row]

        def within(duration_s: float) -> float:
            until_s = duration_s if end_s is None else min(end_s, duration_s)
            return begin_s + start(max(0.0, until_s - begin_s))

        opened = partial(self._open, self._media[row], self._fps[row])
        return self._sampling.take(opened, within, math.inf if end_s is None else end_s)


class _Held:
    """Clips of some rows, decoded on first use, in memory that forked processes share.

    PyTorch's own shared memory is a file in /dev/shm, which is small in containers.

    Args:
        rows: the rows to hold.
        stills: whether each row of all is one picture.
        clip: what the model takes.
    """

    def __init__(self, rows: Sequence[int], stills: Sequence[bool], clip: ClipInput) -> None:
        lengths = [1 if stills[row] else clip.frames for row in rows]
        ends = [0, *accumulate(lengths)]
        self._spans = {row: slice(*span) for row, span in zip(rows, pairwise(ends), strict=True)}
        self._frames = _shared((ends[-1], *clip.shape[1:]))
        self._known = _shared((ends[-1],))

    def __contains__(self, row: int) -> bool:
        return row in self._spans

    def get(self, row: int, decode: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return the clip (T, H, W, 3) of a row, or its one picture (1, H, W, 3)."""
        span = self._spans[row]
        if not self._known[span.start]:
            self._frames[span] = decode()
            self._known[span.start] = True  # another process may do the same, with the same result
        held: NDArray[np.uint8] = self._frames[span]
        return held


def _shared(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return zeros whose memory is allocated page by page when it is written to."""
    size = math.prod(shape)
    try:
        return np.ndarray(shape, np.uint8, mmap.mmap(-1, max(1, size)))
    except OSError as error:
        raise ModelError(
            f"There are not {size / 1e9:.1f} GB of memory for decoded clips: set the key hold to false."
        ) from error


def _open_sharded(store: ObjectStore | None, media: Path, fps: float | None) -> AbstractContextManager[Media]:
    return open_sharded(media.parent, media.name, fps, store)
