"""Read valence, arousal and dominance from annotation tables: Werewolf-XL, AVCAffe.

Werewolf-XL  annotations.csv with a header; columns clip (GG_PP_NNN: group, player, segment),
arousal, valence, dominance; the user names those that are called otherwise
clips/**/GG_PP_NNN.mp4, or another container
AVCAffe      ground_truths/{arousal,valence}.txt: aiim001_task_1, Excited
videos/shorter_segments/aiim001/task_1/*.avi
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from model.data.dataset import Problem, PublishedDataset
from model.data.layouts import tables
from model.data.prepared import ClipRow
from model.errors import ModelError

_WEREWOLF = re.compile(r"(?P<group>\d\d)_(?P<player>\d\d)_\d{3}")
_GROUPS = 30

# The owners' words, from the lowest level to the highest. (Their loader counts from the other end.)
_LEVELS: Mapping[str, tuple[str, ...]] = {
    "arousal": ("Calm", "Dull", "Neutral", "Wide-awake", "Excited"),
    "valence": ("Unpleasant", "Unsatisfied", "Neutral", "Pleased", "Pleasant"),
}
# The participants, in pairs, of the owners' validation split, the only one that is not for training.
_HELD_OUT = frozenset(
    f"aiim{first + second:03d}" for first in (1, 13, 43, 53, 57, 63, 67, 77, 99, 107) for second in (0, 1)
)


def read_werewolf_xl(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | Problem]:
    """Read Werewolf-XL; each fold has six groups of players."""
    paths = {path.stem: path for path in tables.videos(tables.folder(root, "clips"))}
    columns = dataset.columns
    for place, cells in tables.named(root / "annotations.csv", list(columns.values())):
        clip = Path(cells[columns["clip"]]).stem
        values = {name: tables.number(cells[columns[name]], place) for name in columns if name != "clip"}
        match = _WEREWOLF.fullmatch(clip)
        if match is None or not 1 <= int(match["group"]) <= _GROUPS:
            yield Problem(clip, f"{place}: expected a clip name GG_PP_NNN with a group from 01 to {_GROUPS}.")
        elif clip not in paths:
            yield Problem(clip, f"The clip has no video in {root / 'clips'}.")
        else:
            part = dataset.parts[(int(match["group"]) - 1) * len(dataset.parts) // _GROUPS]
            subject = f"{match['group']}_{match['player']}"
            yield ClipRow.model_validate(
                {"id": clip, "media": str(paths[clip]), "subject": subject, "part": part, **values}
            )


def read_avcaffe(root: Path, _dataset: PublishedDataset) -> Iterator[ClipRow | Problem]:
    """Read AVCAffe; each segment has the level with which the participant rated the whole task."""
    truths = tables.folder(root, "ground_truths")
    levels = {name: dict(_levels(truths / f"{name}.txt", words)) for name, words in _LEVELS.items()}
    segments = tables.folder(root, "videos/shorter_segments")
    for path in tables.videos(segments):
        participant, *_ = path.relative_to(segments).parts
        task = f"{participant}_{path.parent.name}"
        known = {name: levels[name][task] for name in levels if task in levels[name]}
        if known:
            part = "test" if participant in _HELD_OUT else "train"
            about = {"id": path.relative_to(segments).with_suffix("").as_posix(), "media": str(path), "part": part}
            yield ClipRow.model_validate({**about, "subject": participant, **known})
        else:
            yield Problem(str(path.relative_to(root)), f"{truths} has no line for {task}.")


def _levels(path: Path, words: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    for place, (task, level) in tables.lines(path, 2, ","):
        if level in words:
            yield task, float(words.index(level))
        elif level in ("0", "1", "2", "3", "4"):
            yield task, float(level)
        else:
            raise ModelError(f"{place}: the label {level!r} is none of {', '.join(words)}, nor a level from 0 to 4.")
