"""Write files that appear when they are complete."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(target: Path, text: str) -> None:
    """Write a text as UTF-8, names of files that are not UTF-8 included; after a failure the target is as before."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", errors="surrogateescape")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
