"""What files are meant by files, patterns and folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

from mien.contract.containers import VIDEO_SUFFIXES


def videos(named: Iterable[Path]) -> list[Path]:
    """Return the files, each once, in order: of a folder all videos below it, of a pattern what it fits.

    Patterns are as shells have them (`*`, `?`, `[ab]`), with `**` for any folders; what is not there, or fits nothing,
    stays, for whoever opens it to tell.
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
