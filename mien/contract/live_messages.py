"""Messages of a live analysis: frames go to the worker and updates come back, both in order.

    client ─▶ gateway ─ frames ─▶ worker
    client ◀─ gateway ◀─ updates ─ worker

Flow control uses credits: each frame costs one credit. The worker grants some when it starts and one for each frame
that it has taken, so no frames pile up in between, and the sender decides which frames to drop.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from pydantic import BaseModel, Field

from mien.contract.errors import BadTime, Problem
from mien.contract.events import FaceWindow

LONGEST_GAP_S = 10.0
"""Longest gap between two frames in seconds, both in their time stamps and on the wall clock."""

MOST_FRAME_BYTES = 1 << 20
"""Largest frame in bytes."""

MOST_SIDE = (1 << 16) - 1
"""Largest width and height of a raw frame in pixels."""


class Encoding(IntEnum):
    """The encoding of a frame's bytes."""

    JPEG = 1
    PNG = 2
    RGB = 3  # 3 bytes per pixel, rows from top to bottom


@dataclass(frozen=True)
class LiveFrame:
    """A frame of a live analysis.

    Attributes:
        time_s: time stamp in seconds on the client's clock.
        encoding: encoding of `content`.
        content: the picture.
        width: width in pixels, for RGB only.
        height: height in pixels, for RGB only.

    Raises:
        BadTime: `time_s` is below 0.
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
    """A message from a worker about a live analysis: one of these fields, or none: a test whether anyone listens."""

    credits: int = Field(default=0, ge=0, description="Additional frames that may be sent.")
    window: FaceWindow | None = None
    ended: bool = Field(default=False, description="Whether all frames were analysed; no update follows.")
    problem: Problem | None = Field(default=None, description="Why the analysis ended early; no update follows.")


class LiveScored(BaseModel):
    """A window with its scores."""

    window: FaceWindow
    dropped_frames: int = Field(default=0, ge=0, description="Frames dropped so far because they arrived too fast.")


_HEAD = struct.Struct("!dBHH")
END = b""
"""Sent in place of a frame: no more frames follow."""


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
        raise ValueError("not a frame") from error
    return LiveFrame(time_s, Encoding(encoding), data[_HEAD.size :], width, height)
