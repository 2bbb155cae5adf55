"""Read the total number of pixels of a video's frames from its header: a few bytes may take hours to decode.

The gateway decodes nothing, so it reads what the containers say: sample tables (ISO 14496-12), Matroska's durations
(RFC 9559), AVI's main header. A header may be wrong; then only the estimated wait is wrong, because workers have limits
of their own.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Awaitable, Callable, Iterator

Read = Callable[[int, int], Awaitable[bytes]]
"""Read bytes of a file, given an offset and a length; fewer at the file's end."""

Stream = tuple[int, float]
"""Pixels of a frame, and how many frames."""

_MOST_AREA = 7680 * 4320
_MOST_PIXELS = 500_000_000_000
_LEAST_FRAME_BYTES = 16
_MOST_HEADER_BYTES = 16 << 20
_MOST_BOXES = 64  # of the file, each of which is read from the store
_MOST_PARTS = 10_000  # boxes or elements in the header; usual ones have some hundred
_FIRST_BYTES = 64 << 10
_USUAL_FPS = 30

_EBML = b"\x1aE\xdf\xa3"
_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0
_SCALE, _DURATION, _FRAME_NS, _WIDTH, _HEIGHT = 0x2AD7B1, 0x4489, 0x23E383, 0xB0, 0xBA


async def total_pixels(read: Read, size: int) -> int:
    """Return width × height × frames of a video of `size` bytes, or 0 where its header does not say.

    A header of more than `_MOST_PARTS` parts says nothing. Numbers are ignored if the bytes cannot hold so many frames,
    or if they exceed a worker's default limits.
    """
    try:
        head = await read(0, min(size, _FIRST_BYTES))
        if head.startswith(_EBML):
            streams = _matroska(head)
        elif head.startswith(b"RIFF"):
            streams = _avi(head)
        else:
            streams = await _mp4(read, size)
        most_frames = size // _LEAST_FRAME_BYTES
        taken = (area * max(0, math.ceil(min(frames, most_frames))) for area, frames in streams if area <= _MOST_AREA)
        return min(sum(taken), _MOST_PIXELS)
    except (struct.error, IndexError, ValueError, OverflowError):
        return 0


class _Budget:
    """Limit the parts that are read of one header: 16 MiB can hold two million, while the event loop waits."""

    def __init__(self) -> None:
        self._left = _MOST_PARTS

    def spend(self) -> None:
        if self._left == 0:
            raise ValueError("more parts than a header has")
        self._left -= 1


async def _mp4(read: Read, size: int) -> list[Stream]:
    at = 0
    for _ in range(_MOST_BOXES):
        length, kind, header = _box(await read(at, 16), size - at)
        if kind == b"moov" and length <= _MOST_HEADER_BYTES:
            return _movie(await read(at + header, length - header))
        at += length
        if at >= size:
            break
    return []


def _box(head: bytes, left: int) -> tuple[int, bytes, int]:
    """Return a box's length, kind, and the length of its header."""
    length, kind = struct.unpack_from(">I4s", head)
    header = 8
    if length == 1:
        (length,), header = struct.unpack_from(">Q", head, 8), 16
    elif length == 0:
        length = left
    if length < header:
        raise ValueError("a box shorter than its header")
    return length, kind, header


def _boxes(data: bytes, budget: _Budget) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        budget.spend()
        length, kind, header = _box(data[at : at + 16], len(data) - at)
        yield kind, data[at + header : at + length]
        at += length


def _find(data: bytes, budget: _Budget, *path: bytes) -> bytes:
    for wanted in path:
        data = next((content for kind, content in _boxes(data, budget) if kind == wanted), b"")
    return data


def _movie(moov: bytes) -> list[Stream]:
    found: list[Stream] = []
    budget = _Budget()
    for kind, track in _boxes(moov, budget):
        if kind != b"trak" or _find(track, budget, b"mdia", b"hdlr")[8:12] != b"vide":
            continue
        table = _find(track, budget, b"mdia", b"minf", b"stbl")
        sizes = _find(table, budget, b"stsz") or _find(table, budget, b"stz2")
        (count,) = struct.unpack_from(">I", sizes, 8)
        # Of the first sample entry: 8 bytes of the box, 8 of the entry's, 8 and 16 that are reserved.
        width, height = struct.unpack_from(">HH", _find(table, budget, b"stsd"), 40)
        found.append((width * height, count))  # 0 in a fragmented file, which counts its frames elsewhere
    return found


def _elements(data: bytes, budget: _Budget) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        budget.spend()
        id_length = 9 - data[at].bit_length()
        element = int.from_bytes(data[at : at + id_length], "big")
        at += id_length
        length_length = 9 - data[at].bit_length()
        length = int.from_bytes(data[at : at + length_length], "big") & ((1 << (7 * length_length)) - 1)
        at += length_length
        if length == (1 << (7 * length_length)) - 1:  # unknown: to the end
            length = len(data) - at
        yield element, data[at : at + length]
        at += length


def _matroska(head: bytes) -> list[Stream]:
    budget = _Budget()
    segment = next((content for element, content in _elements(head, budget) if element == _SEGMENT), b"")
    scale_ns, duration, tracks = 1_000_000, 0.0, b""
    for element, content in _elements(segment, budget):
        if element == _INFO:
            info = dict(_elements(content, budget))
            scale_ns = int.from_bytes(info[_SCALE], "big") if _SCALE in info else scale_ns
            if _DURATION in info:
                (duration,) = struct.unpack(">f" if len(info[_DURATION]) == 4 else ">d", info[_DURATION])
        elif element == _TRACKS:
            tracks = content
    found: list[Stream] = []
    for _, entry in (one for one in _elements(tracks, budget) if one[0] == _ENTRY):
        fields = dict(_elements(entry, budget))
        video = dict(_elements(fields.get(_VIDEO, b""), budget))
        frame_ns = int.from_bytes(fields.get(_FRAME_NS, b""), "big") or 1_000_000_000 / _USUAL_FPS
        area = int.from_bytes(video.get(_WIDTH, b""), "big") * int.from_bytes(video.get(_HEIGHT, b""), "big")
        found.append((area, duration * scale_ns / frame_ns))
    return found


def _avi(head: bytes) -> list[Stream]:
    at = head.index(b"avih") + 8
    frames, width, height = (struct.unpack_from("<I", head, at + offset)[0] for offset in (16, 32, 36))
    return [(width * height, frames)]
