"""What a client may send as a video: a file's path, the bytes of one, or an open file."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mien.contract.errors import EmptyUpload, MalformedBody

Video = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A file's path, the bytes of one, or a file that is open in binary mode and read from its position on."""

_IN_MEMORY_BYTES = 1 << 24


@dataclass(frozen=True)
class OpenVideo:
    """A video that can be read more than once.

    Attributes:
        file: the bytes, from `start` on.
        start: where the video begins in `file`.
        size: number of its bytes.
    """

    file: IO[bytes]
    start: int
    size: int


@contextmanager
def open_video(video: Video) -> Iterator[OpenVideo]:
    """Open a video; what cannot be read twice, as a pipe, is copied first.

    Raises:
        TypeError: it is neither a path, bytes nor an open file.
        EmptyUpload: the open file is at its end, or beyond.
        OSError: the file cannot be read.
    """
    if isinstance(video, (bytes, bytearray, memoryview)):
        yield _measured(io.BytesIO(video))
    elif isinstance(video, (str, os.PathLike)):
        with Path(video).open("rb") as file:
            yield from _seekable(file)
    elif isinstance(video, io.TextIOBase):
        raise TypeError('Open the video in binary mode: open(path, "rb").')
    elif hasattr(video, "read"):
        yield from _seekable(video)
    else:
        raise TypeError(f"A video is a path, bytes, or a file open in binary mode, and not of {type(video).__name__}.")


def changed_while_sent() -> MalformedBody:
    """Return the error of a file that another program changes while it is sent."""
    return MalformedBody("The file changed while it was sent. Send it again when no other program writes to it.")


def _seekable(file: IO[bytes]) -> Iterator[OpenVideo]:
    if file.seekable():
        opened = _measured(file)
        if opened.size <= 0 < opened.start:
            raise EmptyUpload("The open file is at its end, so nothing would be sent. Call its seek(0) first.")
        yield opened
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield _measured(copy)


def _measured(file: IO[bytes]) -> OpenVideo:
    start = file.tell()
    return OpenVideo(file, start, file.seek(0, io.SEEK_END) - start)
