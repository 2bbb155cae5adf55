"""Expand files, folders and glob patterns into video files."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path

import typer

from mien.contract.containers import VIDEO_SUFFIXES

STDIN = "-"
_URL = re.compile(r"(?i)[a-z][a-z0-9+.-]+://")
_APPLE_DOUBLE = "._"  # macOS keeps a file's attributes beside it under such a name; no video is in there


def named_videos(names: Sequence[str]) -> dict[Path, Path]:
    """Return the `places` of the videos that a command's arguments name.

    Raises:
        BadParameter: a name is a URL, `-` does not stand alone, or there is no video.
    """
    _refuse_urls(names)
    if STDIN in names and len(names) > 1:
        raise typer.BadParameter("- stands alone: standard input holds one video")
    found = places(map(Path, names))
    if not found:
        raise typer.BadParameter(f"no video found in {', '.join(names)}")
    return found


def places(named: Iterable[Path]) -> dict[Path, Path]:
    """Return the files, each once, in order: all videos below a folder, all matches of a pattern.

    Each file comes with its place below the folder that was named, or its name. Patterns are glob patterns (`*`, `?`,
    `[ab]`, `**` for any folders). Files that do not exist and patterns without a match are returned as they are, so
    that opening them reports the error. macOS' `._` files in folders are passed over.
    """
    found: dict[Path, Path] = {}
    for path in named:
        for file, place in _below(path):
            found.setdefault(file, place)
    return found


@contextmanager
def local_file(name: str) -> Iterator[Path]:
    """Give the path of a video; standard input (`-`) or a pipe is copied to a file that exists until the end.

    Raises:
        BadParameter: standard input is a terminal, or the name is a URL.
    """
    if name != STDIN and not Path(name).is_fifo():
        yield Path(name)
        return
    if name == STDIN and sys.stdin.isatty():
        raise typer.BadParameter("- reads a video from standard input: send one there, as with `< clip.mp4`")
    with ExitStack() as opened:
        copy = opened.enter_context(tempfile.NamedTemporaryFile(prefix="mien-", suffix=".video"))
        source = sys.stdin.buffer if name == STDIN else opened.enter_context(Path(name).open("rb"))
        shutil.copyfileobj(source, copy)
        copy.flush()
        yield Path(copy.name)


def _refuse_urls(named: Iterable[str]) -> None:
    """Refuse addresses, of which the file system would only say that they do not exist.

    Raises:
        BadParameter: a name is a URL.
    """
    for name in named:
        if _URL.match(name) and not Path(name).exists():
            raise typer.BadParameter(
                f"{name} is a URL, and videos are not downloaded. Download it first, or send it through a pipe: "
                f"curl -L {name} | mien analyze -"
            )


def _below(path: Path) -> Iterator[tuple[Path, Path]]:
    if path.is_dir():
        found = (file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
        for file in sorted(found):
            if not file.name.startswith(_APPLE_DOUBLE):
                yield file, file.relative_to(path)
    elif not path.exists() and set("*?[") & set(str(path)):
        fitting = sorted(map(Path, glob(str(path), recursive=True)))  # noqa: PTH207 - Path.glob raises at a**b
        yield from ((file, Path(file.name)) for file in fitting or [path])
    else:
        yield path, Path(path.name)
