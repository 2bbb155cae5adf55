"""Write files that appear when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield the path of a file to write, which then replaces the target; after a failure the target is as before."""
    path = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield path
        path.replace(target)
    finally:
        path.unlink(missing_ok=True)


def write_atomically(target: Path, text: str) -> None:
    """Write a text as UTF-8, names of files that are not UTF-8 included."""
    with unfinished(target) as path:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
