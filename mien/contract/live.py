"""A live analysis: frames go to the worker and updates come back, both in order.

    client ─▶ gateway ─ frames ─▶ worker
    client ◀─ gateway ◀─ updates ─ worker

Flow control is by credits: a frame is sent only with a credit. The worker grants some when it starts and one for each
frame that it has taken, so nothing piles up in between, and the sender decides which frames to drop.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from pydantic import BaseModel, Field

from mien.contract.errors import BadTime, Problem
from mien.contract.events import FaceWindow

LONGEST_GAP_S = 10.0
"""Most seconds from one frame to the next, by their time stamps and by the wall clock."""

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
    """A picture and when it was taken, in seconds on the client's clock; `width` and `height` are of RGB only.

    Raises:
        BadTime: the time is below 0.
    """

    time_s: float
    encoding: Encoding
    content: bytes
    width: int = 0
    height: int = 0

    def __post_init__(self) -> None:
        """Check the time."""
        if self.time_s < 0:
            raise BadTime(f"A frame's time is {self.time_s:g} s. It must be 0 s or later.")


class LiveUpdate(BaseModel):
    """A message from a worker about a live analysis: one of these, or a window together with credits."""

    credits: int = Field(default=0, ge=0, description="Frames that may be sent on top of those allowed before.")
    window: FaceWindow | None = None
    ended: bool = Field(default=False, description="All frames were analysed; nothing follows.")
    problem: Problem | None = Field(default=None, description="Why the analysis ends early; nothing follows.")


class LiveScored(BaseModel):
    """A window with its scores."""

    window: FaceWindow
    dropped_frames: int = Field(default=0, ge=0, description="Frames dropped so far because they came too fast.")


_HEAD = struct.Struct("!dBHH")
END = b""
"""Sent in place of a frame: no more will come."""


def pack(frame: LiveFrame) -> bytes:
    """Serialise a frame."""
    return _HEAD.pack(frame.time_s, frame.encoding, frame.width, frame.height) + frame.content


def unpack(data: bytes) -> LiveFrame:
    """Parse a frame that `pack` serialised.

    Raises:
        ValueError: the bytes are not a frame.
    """
    try:
        time_s, encoding, width, height = _HEAD.unpack_from(data)
    except struct.error as error:
        raise ValueError("no frame") from error
    return LiveFrame(time_s, Encoding(encoding), data[_HEAD.size :], width, height)
