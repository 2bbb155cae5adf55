"""Serialise events for the pipe from the decode child to the worker: bytes, never pickles.

A message is one JSON object, `{"event": <class name>, ...fields}`; a clip's is followed by a second message,
its pixels, uint8 in C order. The child is not trusted: the receiver checks lengths, types and shapes.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Protocol

import numpy as np
from pydantic import NonNegativeFloat, TypeAdapter

from mien.contract.errors import BY_CODE, BadMedia, CannotDecode, MienError, Problem
from service.vision.clips import Clip, ClipSpec, FaceSeen, Progressed, VideoEnded, VideoOpened

Event = VideoOpened | Clip | Progressed | FaceSeen | VideoEnded

MISBEHAVES = "The video made the decoder misbehave. Convert it to MP4 (H.264) and try again."

# An hour's path of one face at 6 Hz is 0.7 MB.
_LONGEST_HEADER = 8 << 20
_LONGEST_SIDE = 1 << 20  # pixels, beyond any frame

_PLAIN: dict[str, TypeAdapter[Event]] = {
    kind.__name__: TypeAdapter(kind) for kind in (VideoOpened, Progressed, FaceSeen, VideoEnded)
}


@dataclasses.dataclass(frozen=True)
class _ClipHeader:
    track: int
    spec: int
    start_s: NonNegativeFloat
    end_s: NonNegativeFloat
    frames: int
    quality: float
    box: tuple[float, float, float, float]


_CLIP = TypeAdapter(_ClipHeader)


class MessageReader(Protocol):
    """The receiving end of the pipe."""

    def recv_bytes(self, maxlength: int | None = None, /) -> bytes | bytearray:
        """Return the next message; raise OSError if it is longer than `maxlength`, EOFError at the end."""
        ...


def send_event(pipe: Connection, event: Event) -> None:
    """Send one event; block while the pipe is full."""
    if isinstance(event, Clip):
        header = _ClipHeader(
            event.track, event.spec, event.start_s, event.end_s, event.frames, event.quality, event.box
        )
        pipe.send_bytes(json.dumps({"event": "Clip", **dataclasses.asdict(header)}).encode())
        # A flat view: send_bytes of Python 3.11 counts a 4-D array's first axis instead of its bytes.
        pipe.send_bytes(np.ascontiguousarray(event.pixels).data.cast("B"))
    else:
        pipe.send_bytes(json.dumps({"event": type(event).__name__, **dataclasses.asdict(event)}).encode())


def send_error(pipe: Connection, error: MienError) -> None:
    """Send the error that stopped the child."""
    pipe.send_bytes(json.dumps({"event": "Problem", **error.problem().model_dump()}).encode())


def receive_event(pipe: MessageReader, specs: Sequence[ClipSpec]) -> Event:
    """Receive one event.

    Raises:
        BadMedia: the child reports a bad video, or its message is invalid.
        EOFError: the child has exited.
    """
    try:
        header = json.loads(pipe.recv_bytes(_LONGEST_HEADER), parse_float=_finite, parse_constant=_finite)
        kind = header.pop("event")
        if kind in _PLAIN:
            return _checked(_PLAIN[kind].validate_python(header))
        if kind == "Clip":
            return _receive_clip(pipe, _CLIP.validate_python(header), specs)
        problem = Problem.model_validate(header)
    except EOFError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CannotDecode(MISBEHAVES) from error
    raise_as = BY_CODE.get(problem.code, CannotDecode)
    raise (raise_as if issubclass(raise_as, BadMedia) else CannotDecode)(problem.detail)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _checked(event: Event) -> Event:
    """Return an event whose numbers are possible; raise ValueError for another one."""
    match event:
        case VideoOpened(width=width, height=height):
            possible = min(width, height) > 0
        case FaceSeen(track=track, start_s=start_s, end_s=end_s, samples=samples):
            possible = track >= 0 and 0 <= start_s <= end_s and samples > 0
        case VideoEnded(duration_s=duration_s, frames=frames, samples=samples):
            possible = duration_s >= 0 and min(frames, samples, event.width, event.height) >= 0
        case _:
            possible = True
    if not possible:
        raise ValueError(event)
    return event


def _receive_clip(pipe: MessageReader, header: _ClipHeader, specs: Sequence[ClipSpec]) -> Clip:
    if not (0 <= header.spec < len(specs) and header.track >= 0):
        raise ValueError(header)
    spec = specs[header.spec]
    if not (
        1 <= header.frames <= spec.frames and 0 <= header.quality <= 1 and max(map(abs, header.box)) <= _LONGEST_SIDE
    ):
        raise ValueError(header)
    shape = spec.frames, spec.size, spec.size, 3
    pixels = np.frombuffer(pipe.recv_bytes(int(np.prod(shape))), dtype=np.uint8).reshape(shape)
    return Clip(**vars(header), pixels=pixels)
