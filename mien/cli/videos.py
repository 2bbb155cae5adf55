"""Expand files, folders and glob patterns into video files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

from mien.contract.containers import VIDEO_SUFFIXES


def videos(named: Iterable[Path]) -> list[Path]:
    """Return the files, each once, in order: all videos below a folder, all matches of a pattern.

    Patterns are glob patterns (`*`, `?`, `[ab]`, `**` for any folders). Files that do not exist and patterns without a
    match are returned as they are, so that opening them reports the error.
    """
    return list(dict.fromkeys(file for path in named for file in _below(path)))


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
    elif not path.exists() and set("*?[") & set(str(path)):
        fitting = sorted(map(Path, glob(str(path), recursive=True)))  # noqa: PTH207 - Path.glob raises at a**b
        yield from fitting or [path]
    else:
        yield path
