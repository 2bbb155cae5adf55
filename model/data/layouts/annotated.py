"""Read valence, arousal and dominance from annotation tables: Werewolf-XL, AVCAffe.

Werewolf-XL  a CSV table anywhere below the root with the owners' columns, or those that the user names: VideoName
             (GG_PP_NNN: group, player, segment), Mean_A_1_2 (arousal), Mean_P_1_2_3_4 (pleasure, which is valence),
             Mean_D_1_2_4 (dominance)
             Werewolf-XL_Speaker_Video/**/GG_PP_NNN.mp4, or another folder or container; or folders of the frames of
             faces, GG_PP_NNN_aligned/*.jpg
AVCAffe      ground_truths/{arousal,valence}.txt: aiim001_task_1, Excited
             videos/shorter_segments/aiim001/task_1/*.avi; or the owners' crops of faces, folders of 16 frames a second:
             images/shorter_segments_face/aiim001/task_1/SEGMENT/*.jpg, called face_crops in some copies
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from model.data.dataset import BadRow, ClipProblem, PublishedDataset, row_or_problem
from model.data.layouts import tables
from model.data.media import IMAGES
from model.data.prepared import ClipRow
from model.errors import ModelError

_WEREWOLF = re.compile(r"(?P<group>\d\d)_(?P<player>\d\d)_\d{3}")
_GROUPS = 30
_ALIGNED = "_aligned"  # suffix of OpenFace's folders of faces

# The owners' words, from the lowest level to the highest. (Their loader counts from the other end.)
_LEVELS: Mapping[str, tuple[str, ...]] = {
    "arousal": ("Calm", "Dull", "Neutral", "Wide-awake", "Excited"),
    "valence": ("Unpleasant", "Unsatisfied", "Neutral", "Pleased", "Pleasant"),
}
# The participants, in pairs, of the owners' validation split, the only one that is not for training.
_HELD_OUT = frozenset(
    f"aiim{first + second:03d}" for first in (1, 13, 43, 53, 57, 63, 67, 77, 99, 107) for second in (0, 1)
)
_FACE_FPS = 16  # of the owners' crops of faces


def read_werewolf_xl(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read Werewolf-XL; each fold has six groups.

    A row's subject is its group, a session of one game: the 129 people take part in several of the 30 sessions, and no
    file of the dataset says which player of a group is which person.
    """
    media = {path.stem: path for path in tables.videos(root)}
    frames = {path.name.removesuffix(_ALIGNED): path for path in sorted(root.rglob(f"*{_ALIGNED}")) if path.is_dir()}
    columns = dataset.columns

    def row(place: str, cells: Mapping[str, str]) -> ClipRow | ClipProblem:
        clip = cells[columns["clip"]]
        clip = Path(clip).stem if Path(clip).suffix else clip
        values = {name: tables.number(cells[columns[name]], place) for name in columns if name != "clip"}
        match = _WEREWOLF.fullmatch(clip)
        if match is None or not 1 <= int(match["group"]) <= _GROUPS:
            return ClipProblem(clip, f"{place}: expected a clip name GG_PP_NNN with a group from 01 to {_GROUPS}.")
        if clip not in media and clip not in frames:
            return ClipProblem(clip, f"{place}: the clip has no video below {root}.")
        part = dataset.parts[(int(match["group"]) - 1) * len(dataset.parts) // _GROUPS]
        about = {"id": clip, "subject": match["group"], "part": part, **values}
        if clip in media:
            return ClipRow.model_validate({**about, "media": str(media[clip])})
        return ClipRow.model_validate({**about, "media": str(frames[clip]), "fps": dataset.fps})

    for found in tables.named(_annotations(root, list(columns.values())), list(columns.values())):
        yield found if isinstance(found, ClipProblem) else row_or_problem(found[0], partial(row, *found))


def _annotations(root: Path, columns: list[str]) -> Path:
    """Return the CSV table that has the columns.

    Raises:
        ModelError: there is none.
    """
    found = sorted(root.rglob("*.csv"), key=lambda path: (len(path.parts), path))
    for path in found:
        if set(columns) <= set(tables.header_of(path)):
            return path
    seen = f"; {found[0]} has: {', '.join(tables.header_of(found[0]))}" if found else ""
    raise ModelError(
        f"No CSV table below {root} has the columns {', '.join(columns)}{seen}. Name columns that are called otherwise "
        "with --column, for example --column clip=Video."
    )


def read_avcaffe(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read AVCAffe; each segment has the level with which the participant rated the whole task.

    As in the owners' loader, a line without a comma is skipped; here it is listed, too.
    """
    truths = tables.folder(root, "ground_truths")
    levels: dict[str, dict[str, float]] = {name: {} for name in _LEVELS}
    for name, words in _LEVELS.items():
        for found in tables.lines(truths / f"{name}.txt", 2, ","):
            if isinstance(found, ClipProblem):
                yield found
                continue
            place, (task, word) = found
            try:
                levels[name][task] = _level(word, words, place)
            except BadRow as error:
                yield ClipProblem(place, str(error))
    crops = [root / name for name in dataset.crops_in if (root / name).is_dir()]
    segments = crops[0] if crops else tables.folder(root, "videos/shorter_segments")
    for path in _segments(segments):
        participant, task = _of_task(path.relative_to(segments).parts)
        known = {name: levels[name][task] for name in levels if task in levels[name]}
        if known:
            part = "test" if participant in _HELD_OUT else "train"
            clip = path.relative_to(segments)
            about = {"id": (clip if path.is_dir() else clip.with_suffix("")).as_posix(), "media": str(path)}
            fps = _FACE_FPS if path.is_dir() else None
            yield ClipRow.model_validate({**about, "part": part, "subject": participant, "fps": fps, **known})
        else:
            yield ClipProblem(str(path.relative_to(root)), f"{truths} has no usable line for {task}.")


def _segments(folder: Path) -> Iterator[Path]:
    """Yield the videos below a folder, and the folders of frames, sorted."""
    frames = {path.parent for path in folder.rglob("*") if path.suffix.lower() in IMAGES}
    yield from sorted([*tables.videos(folder), *frames])


def _of_task(parts: tuple[str, ...]) -> tuple[str, str]:
    """Return the participant of a segment, and participant_task, the key of the ground truths."""
    participant, *below = parts
    task = next((name for name in below if re.fullmatch(r"task_\d+", name)), below[0] if below else "")
    return participant, f"{participant}_{task}"


def _level(word: str, words: tuple[str, ...], place: str) -> float:
    """Return the level of an owners' word, or of a number from 0 to 4.

    Raises:
        BadRow: it is neither.
    """
    if word in words:
        return float(words.index(word))
    if word in ("0", "1", "2", "3", "4"):
        return float(word)
    raise BadRow(f"{place}: the label {word!r} is neither one of {', '.join(words)} nor a level from 0 to 4.")
