"""Store clips in tar files of a thousand, for datasets with too many files for a file system.

    shards/PART-NUMBER-DIGEST.tar       webdataset's form: a clip's files share a key: KEY.mp4, or KEY.00001.jpg …
    shards/PART-NUMBER-DIGEST.tar.json  key → its files, each [name, offset, bytes], so that any clip can be read alone

`clips.csv` names a clip as shards/….tar/KEY. The digest is of the ids in the shard: other clips are other files.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from model.data.media import ClipUnreadable, Media, frame_files, open_held
from model.data.prepared import ClipRow

FOLDER = "shards"
_CLIPS = 1000  # in a shard


@dataclass(frozen=True)
class Shard:
    """A shard that is to be: the rows of its clips, each with the clip's own file or folder, as (key, row)."""

    path: Path
    clips: tuple[tuple[str, ClipRow], ...]


def plan(folder: Path, rows: Sequence[ClipRow]) -> list[Shard]:
    """Return which shards the clips of a prepared dataset go to: each holds clips of one part."""
    shards = []
    for part in dict.fromkeys(row.part for row in rows):
        whole = [row for row in rows if row.part == part]
        for number, first in enumerate(range(0, len(whole), _CLIPS)):
            clips = whole[first : first + _CLIPS]
            digest = hashlib.sha256("\n".join(row.id for row in clips).encode()).hexdigest()[:12]
            keyed = tuple((f"{key:06d}", row) for key, row in enumerate(clips))
            shards.append(Shard(folder / FOLDER / f"{part}-{number:05d}-{digest}.tar", keyed))
    return shards


def write(shard: Shard, folder: Path) -> None:
    """Write a shard of a prepared dataset, unless it is there; a half written one never has its name."""
    import webdataset

    index = _index_path(shard.path)
    if shard.path.exists() and index.exists():
        return
    shard.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = shard.path.with_suffix(".unfinished")
    with unfinished.open("wb") as file, webdataset.TarWriter(file, encoder=False, mtime=0) as writer:
        for key, row in shard.clips:
            media = folder / row.media
            files = [media] if row.fps is None else frame_files(media)
            names = [path.suffix[1:].lower() if row.fps is None else path.name.lower() for path in files]
            writer.write({"__key__": key} | {n: p.read_bytes() for n, p in zip(names, files, strict=True)})
    index.write_text(json.dumps(_indexed(unfinished)), encoding="utf-8")
    unfinished.replace(shard.path)


@contextmanager
def open_sharded(shard: Path, key: str, fps: float | None) -> Iterator[Media]:
    """Open a clip in a shard, reading no other.

    Raises:
        ClipUnreadable: see `model.data.media.open_media`.
    """
    name = f"{shard}/{key}"
    try:
        with shard.open("rb") as file:
            found = {name: os.pread(file.fileno(), size, at) for name, at, size in _index(shard)[key]}
    except OSError as error:
        raise ClipUnreadable(f"{name} cannot be read: {error.strerror or error}.") from error
    except (KeyError, ValueError) as error:
        raise ClipUnreadable(f"{name} is not in {_index_path(shard)}.") from error
    with open_held(name, found, fps) as media:
        yield media


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
