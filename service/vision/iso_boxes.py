"""Look into the boxes of an MP4 or MOV file (ISO/IEC 14496-12): is it cut off, is it encrypted?"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_LARGE = (b"mdat", b"moov", b"moof")
_MOST_INDEX_BYTES = 16 << 20


def is_cut_off(path: Path) -> bool:
    """Return whether the file ends within a box of its data or index."""
    whole = path.stat().st_size
    return any(kind in _LARGE and at + size > whole for kind, at, size in _boxes(path))


def is_encrypted(path: Path) -> bool:
    """Return whether the index says that the pictures are encrypted (ISO/IEC 23001-7)."""
    for kind, at, size in _boxes(path):
        if kind == b"moov":
            with path.open("rb") as file:
                file.seek(at)
                index = file.read(min(size, _MOST_INDEX_BYTES))
            return b"encv" in index and b"sinf" in index
    return False


def _boxes(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, place and size of each box at the top."""
    at, whole = 0, path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(16)) >= 8:
            size, kind = struct.unpack_from("!I4s", head)
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack_from("!Q", head, 8)
            if size < 8:  # up to the end of the file, or no box
                return
            yield kind, at, size
            at += size
            if at > whole:
                return
            file.seek(at)
