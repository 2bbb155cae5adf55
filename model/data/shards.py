"""Store clips in tar files of a thousand, for datasets with too many files for a file system, or for object storage.

    shards/PART-NUMBER-DIGEST.tar       webdataset's form: a clip's files share a key: KEY.mp4, or KEY.00001.jpg …
    shards/PART-NUMBER-DIGEST.tar.json  key → its files, each [name, offset, bytes], so that any clip can be read alone

`clips.csv` names a clip as shards/….tar/KEY. The digest is of the ids in the shard, and of which files they were made
from: other clips are other files.
The tar files may be in object storage: each clip is read with one request for its part of the file, and only by the
process that trains on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2

from model.data.media import ARRAYS, ClipUnreadable, Media, frame_files, open_held, read_still
from model.data.object_store import ObjectStore
from model.data.prepared import ClipRow
from model.unfinished import unfinished

FOLDER = "shards"
_CLIPS = 1000  # in a shard


@dataclass(frozen=True)
class Shard:
    """A shard to write: the rows of its clips as (key, row), each with the clip's own file or folder."""

    path: Path
    clips: tuple[tuple[str, ClipRow], ...]

    @property
    def id(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def written(self) -> bool:
        """Whether the file and its index exist."""
        return self.path.exists() and _index_path(self.path).exists()


def plan(folder: Path, rows: Sequence[ClipRow], sources: Mapping[str, str] = {}) -> list[Shard]:
    """Distribute the clips of a prepared dataset over shards; each shard holds clips of one part.

    Args:
        folder: the prepared dataset.
        rows: its clips.
        sources: clip id → which file it was made from (`model.data.jobs.source_of`).
    """
    shards = []
    for part in dict.fromkeys(row.part for row in rows):
        whole = [row for row in rows if row.part == part]
        for number, first in enumerate(range(0, len(whole), _CLIPS)):
            clips = whole[first : first + _CLIPS]
            digest = hashlib.sha256(
                "\n".join(f"{row.id} {sources.get(row.id, '')}" for row in clips).encode()
            ).hexdigest()[:12]
            keyed = tuple((f"{key:06d}", row) for key, row in enumerate(clips))
            shards.append(Shard(folder / FOLDER / f"{part}-{number:05d}-{digest}.tar", keyed))
    return shards


def write(shard: Shard, folder: Path) -> None:
    """Write a shard of a prepared dataset atomically, unless it exists."""
    import webdataset

    if shard.written:
        return
    with unfinished(shard.path) as tar, unfinished(_index_path(shard.path)) as written:
        with tar.open("wb") as file, webdataset.TarWriter(file, encoder=False, mtime=0) as writer:
            for key, row in shard.clips:
                writer.write({"__key__": key} | _files_of(folder / row.media, row.fps))
        written.write_text(json.dumps(_indexed(tar)), encoding="utf-8")


def remove_others(folder: Path, kept: Iterable[Shard]) -> None:
    """Remove the shards of a prepared dataset that are no longer in its plan."""
    names = {name for shard in kept for name in (shard.path.name, _index_path(shard.path).name)}
    for path in (folder / FOLDER).glob("*.tar*"):
        if path.name not in names:
            path.unlink()


def _files_of(media: Path, fps: float | None) -> dict[str, bytes]:
    """Return the content of a clip's files by what follows the key in their names."""
    if fps is not None:
        return {path.name.lower(): path.read_bytes() for path in frame_files(media)}
    if media.parent.suffix != ARRAYS:
        return {media.suffix[1:].lower(): media.read_bytes()}
    picture = cv2.cvtColor(read_still(media), cv2.COLOR_RGB2BGR)
    return {"png": cv2.imencode(".png", picture)[1].tobytes()}


@contextmanager
def open_sharded(shard: Path, key: str, fps: float | None, store: ObjectStore | None = None) -> Iterator[Media]:
    """Open a clip in a shard without reading other clips.

    Args:
        shard: the tar file; its index is beside it.
        key: the clip's key.
        fps: as in its row.
        store: the object storage that holds the tar file, if it is not in the folder.

    Raises:
        ClipUnreadable: see `model.data.media.open_media`.
    """
    name = f"{shard}/{key}"
    try:
        places = _index(shard)[key]
        first, end = places[0][1], places[-1][1] + places[-1][2]  # a clip's files are consecutive
        content = _read(shard, first, end) if store is None else store.read(shard.name, first, end)
        found = {name: content[at - first : at - first + size] for name, at, size in places}
    except OSError as error:
        raise ClipUnreadable(f"{name} cannot be read: {error.strerror or error}.") from error
    except (KeyError, ValueError) as error:
        raise ClipUnreadable(f"{name} is not in {_index_path(shard)}.") from error
    with open_held(name, found, fps) as media:
        yield media


def _read(shard: Path, start: int, end: int) -> bytes:
    with shard.open("rb") as file:
        return os.pread(file.fileno(), end - start, start)


@cache
def _index(shard: Path) -> dict[str, list[tuple[str, int, int]]]:
    found: dict[str, list[tuple[str, int, int]]] = json.loads(_index_path(shard).read_bytes())
    return found


def _indexed(tar: Path) -> dict[str, list[tuple[str, int, int]]]:
    found: dict[str, list[tuple[str, int, int]]] = {}
    with tarfile.open(tar) as file:
        for member in file:
            key, _, name = member.name.partition(".")
            found.setdefault(key, []).append((name, member.offset_data, member.size))
    return found


def _index_path(shard: Path) -> Path:
    return shard.with_name(shard.name + ".json")
