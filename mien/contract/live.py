"""A live analysis: frames go one way, news the other, both in the order in which they were sent.

    client ─▶ gateway ─ frames ─▶ worker
    client ◀─ gateway ◀─ news ─── worker

A frame goes only where there is a credit for it: the worker gives some as it begins, and one back for each frame that
it took. So nothing piles up between the two, and who sends decides what to drop.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from pydantic import BaseModel, Field

from mien.contract.errors import Problem
from mien.contract.events import FaceWindow

LONGEST_GAP_S = 10.0
"""Most seconds from one frame to the next, by their time stamps and by the clock on the wall."""

MOST_FRAME_BYTES = 1 << 20
MOST_SIDE = (1 << 16) - 1
"""Pixels of a raw frame."""


class Encoding(IntEnum):
    """What the bytes of a frame are."""

    JPEG = 1
    PNG = 2
    RGB = 3  # 3 bytes a pixel, rows from the top


@dataclass(frozen=True)
class LiveFrame:
    """A picture and when it was taken, in seconds on the client's clock; `width` and `height` are of RGB only."""

    time_s: float
    encoding: Encoding
    content: bytes
    width: int = 0
    height: int = 0


class News(BaseModel):
    """What a worker tells of a live analysis: one of these, or a window together with credits."""

    credits: int = Field(default=0, ge=0, description="Frames that may be sent on top of those allowed before.")
    window: FaceWindow | None = None
    ended: bool = Field(default=False, description="All frames were analysed; nothing comes after this.")
    problem: Problem | None = Field(default=None, description="Why it ends before its time; nothing comes after this.")


class LiveScored(BaseModel):
    """A window has its scores."""

    window: FaceWindow
    dropped_frames: int = Field(default=0, ge=0, description="Frames so far that came faster than they could be taken.")


_HEAD = struct.Struct("!dBHH")
END = b""
"""In place of a frame: no more will come."""


def pack(frame: LiveFrame) -> bytes:
    """Return a frame as it travels."""
    return _HEAD.pack(frame.time_s, frame.encoding, frame.width, frame.height) + frame.content


def unpack(data: bytes) -> LiveFrame:
    """Return the frame that was packed.

    Raises:
        ValueError: it is none.
    """
    try:
        time_s, encoding, width, height = _HEAD.unpack_from(data)
    except struct.error as error:
        raise ValueError("no frame") from error
    return LiveFrame(time_s, Encoding(encoding), data[_HEAD.size :], width, height)
