"""Look into the head of a Matroska or WebM file (RFC 8794): is it cut off?"""

from __future__ import annotations

from pathlib import Path

_HEAD_BYTES = 4096
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def is_cut_off(path: Path) -> bool:
    """Return whether the file ends before its segment does. One that was recorded live may not say where that is."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    end = 0
    for wanted in (_EBML, _SEGMENT):
        found, at = _number(head, end, keep_marker=True)
        size, at = _number(head, at, keep_marker=False)
        if found != wanted or size is None:
            return False
        end = at + size
    return end > path.stat().st_size


def _number(head: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """Return the variable-length number at a place, None where it is unknown or missing, and the place behind it."""
    if at >= len(head) or head[at] == 0:
        return None, at
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big")
    if not keep_marker:
        value -= 1 << 7 * length
        if value == (1 << 7 * length) - 1:  # all ones: unknown
            return None, at + length
    return value, at + length
