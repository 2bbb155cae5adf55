"""Write files that appear when they are complete."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


def require_writable(target: Path, option: str, *, folder: bool = False) -> None:
    """Refuse a place that cannot be written to, before hours of work.

    Args:
        target: the file to write or, with `folder`, the folder to write into.
        option: the option that names it.
        folder: whether it is a folder, which is created if it is missing.

    Raises:
        BadParameter: a folder is there in place of a file, or a file in place of a folder, or writing is not allowed.
    """
    if target.exists() and target.is_dir() != folder:
        kinds = ("file", "folder") if folder else ("folder", "file")
        raise typer.BadParameter(f"{option}: {target} is a {kinds[0]}; name a {kinds[1]}")
    written = target if folder or _is_stream(target) else Path(os.path.realpath(target)).parent
    there = next(place for place in (written, *written.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK) or not (there.is_dir() or there == target):
        raise typer.BadParameter(f"{option}: {there} cannot be written to; choose another place")


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield the path of a file to write, which then replaces the target; after a failure the target is as before.

    The file that a symbolic link leads to is replaced, not the link. A device or a named pipe is not replaced either:
    the bytes are written to it.

    Raises:
        OSError: the target cannot be written; the error names it.
    """
    try:
        with _copied_to(target) if _is_stream(target) else _moved_to(Path(os.path.realpath(target))) as path:
            yield path
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error  # users do not know the other file


def write_atomically(target: Path, text: str) -> None:
    """Write a text as UTF-8, names of files that are not UTF-8 included.

    Raises:
        OSError: the target cannot be written; the error names it.
    """
    with unfinished(target) as path:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")


@contextmanager
def _moved_to(target: Path) -> Iterator[Path]:
    # Without the target's name, with which it could be too long for the file system.
    path = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield path
        path.replace(target)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _copied_to(stream: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="mien-") as file:
        yield Path(file.name)
        with stream.open("wb") as out:
            shutil.copyfileobj(file, out)


def _is_stream(target: Path) -> bool:
    return target.exists() and not target.is_file()
