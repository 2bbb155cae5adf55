"""Write files so that none is ever there half: in a private folder beside its place, then moved there in one step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".unfinished-"


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Provide where to write a file, which is moved to `target` at the end; several processes may do the same."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=PREFIX) as folder:
        path = Path(folder, target.name)
        yield path
        path.replace(target)
