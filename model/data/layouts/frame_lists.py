"""Read lists of labelled clips beside folders of cropped frames: DFEW, FERV39k, MAFW.

    DFEW     EmoLabel_DataSplit/{train,test}(single-labeled)/set_K.csv: video_name,label (1 to 7)
             Clip/clip_224x224/00001/*.jpg; in some copies, Clip/jpg_256
    FERV39k  4_setups/All_scenes/{train,test}_All.csv: scene/emotion/clip label, separated by a space
             2_ClipsforFaceCrop/scene/emotion/clip/*.jpg
    MAFW     Train & Test Set/single/no_caption/set_K/{train,test}.txt: 00001.mp4 label, separated by a space
             data/frames/00001/*.png

The test lists of the five folds define the rows; clips that only the training lists name are reported as problems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from model.data.dataset import ClipProblem, PublishedDataset, row_or_problem
from model.data.layouts import tables
from model.data.prepared import ClipRow

_Entry = tuple[str, str, str]
"""(place, clip, label)."""
_Listed = Callable[[Path], Iterator[_Entry | ClipProblem]]
"""A list's path → its entries."""


def read_dfew(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read DFEW."""
    frames = tables.folder(root, "Clip/clip_224x224", "Clip/jpg_256")

    def listed(path: Path) -> Iterator[_Entry | ClipProblem]:
        for found in tables.named(path, ("video_name", "label")):
            if isinstance(found, ClipProblem):
                yield found
            else:
                place, row = found
                yield place, row["video_name"].zfill(5), row["label"]

    split = tables.folder(root, "EmoLabel_DataSplit")
    paths = {part: tuple(split / f"{kind}(single-labeled)/set_{part}.csv" for kind in _KINDS) for part in dataset.parts}
    yield from _folds(dataset, frames, paths, listed)


def read_mafw(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read MAFW's single-labelled clips."""
    frames = tables.folder(root, "data/frames")

    def listed(path: Path) -> Iterator[_Entry | ClipProblem]:
        for found in tables.lines(path, 2, " "):
            if isinstance(found, ClipProblem):
                yield found
            else:
                place, (name, label) = found
                yield place, Path(name).stem, label

    split = tables.folder(root, "Train & Test Set/single/no_caption")
    paths = {part: tuple(split / f"set_{part}/{kind}.txt" for kind in _KINDS) for part in dataset.parts}
    yield from _folds(dataset, frames, paths, listed)


def read_ferv39k(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read FERV39k."""
    frames = tables.folder(root, "2_ClipsforFaceCrop")
    split = tables.folder(root, "4_setups/All_scenes")
    for part in dataset.parts:
        for found in tables.lines(split / f"{part}_All.csv", 2, " "):
            if isinstance(found, ClipProblem):
                yield found
            else:
                place, (clip, label) = found
                yield _row(dataset, frames, part, (place, clip, label))


_KINDS = ("train", "test")


def _folds(
    dataset: PublishedDataset, frames: Path, paths: dict[str, tuple[Path, ...]], listed: _Listed
) -> Iterator[ClipRow | ClipProblem]:
    tested = set()
    for part, (_, test) in paths.items():
        for found in listed(test):
            if isinstance(found, ClipProblem):
                yield found
            else:
                tested.add(found[1])
                yield _row(dataset, frames, part, found)
    for train, _ in paths.values():
        for found in listed(train):
            if isinstance(found, ClipProblem):
                yield found
                continue
            place, clip, _ = found
            if clip not in tested:
                tested.add(clip)
                yield ClipProblem(clip, f"The clip is in no fold's test list, only in {place}.")


def _row(dataset: PublishedDataset, frames: Path, part: str, found: _Entry) -> ClipRow | ClipProblem:
    place, clip, label = found
    media = frames / clip

    def row() -> ClipRow | ClipProblem:
        expression = dataset.expression(label, place)
        if not media.is_dir():
            return ClipProblem(clip, f"There is no folder {media}.")
        return ClipRow(id=clip, media=str(media), fps=dataset.fps, part=part, expression=expression)

    return row_or_problem(place, row)
