"""Write files atomically: into a private folder beside the target, then renamed. Report what keeps them from it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import ModelError


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield the path of a file to write, which then replaces the target; other files in its folder are removed.

    After a failure the target is as before. Several processes may write the same target: the last one's file stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as folder:
        path = Path(folder, target.name)
        yield path
        path.replace(target)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate errors of the file system into ModelError: `path` cannot be written, because the disk is full, say."""
    try:
        yield
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error
