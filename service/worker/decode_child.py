"""The child that decodes a stranger's video or live frames: limits first, then their clips, events into the pipe.

It starts from a fork server without environment, holds no secret and no connection but the pipe, and dies
with its worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cv2

from mien.contract.errors import BadMedia, CannotDecode, DecodeTooCostly
from mien.contract.live import LiveFrame, unpack
from service.vision.clips import ClipSpec, Limits, read_clips, watch_clips
from service.vision.faces import open_detector
from service.worker.pipe import Event, send_error, send_event

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class Part:
    """A video, from one second of it to another or to its end."""

    video: Path
    start_s: float
    end_s: float | None


@dataclass(frozen=True)
class Assignment:
    """What a child is to read, and what it may use up: `memory_bytes` come on top of what it starts with.

    A pipe as its source gives packed frames (`mien.contract.live`) until it is closed.
    """

    source: Part | Connection
    specs: Sequence[ClipSpec]
    faces: int
    yunet: Path | None
    limits: Limits
    memory_bytes: int
    cpu_s: int


def run(pipe: Connection, assignment: Assignment) -> None:
    """Be the child: read the assigned video and send its events, or the error that stopped it."""
    _give_up_rights(assignment)
    too_costly = DecodeTooCostly(
        "Decoding this video needs more memory than is allowed. Scale it down (720p is plenty) and try again."
    )
    try:
        cv2.setNumThreads(1)
        for event in _events(assignment):
            send_event(pipe, event)
    except BrokenPipeError:
        return
    except BadMedia as error:
        send_error(pipe, error)
    except MemoryError:
        send_error(pipe, too_costly)
    except Exception as error:  # strangers' bytes raise anything, and its text must not leak
        send_error(
            pipe,
            too_costly
            if _tells_of_no_memory(error)
            else CannotDecode("The video cannot be decoded. Convert it to MP4 (H.264) and try again."),
        )


def _events(assignment: Assignment) -> Iterator[Event]:
    detector = open_detector(assignment.yunet)
    if not isinstance(assignment.source, Part):
        return watch_clips(
            _frames(assignment.source),
            assignment.specs,
            detector=detector,
            max_pixels=assignment.limits.max_pixels,
            faces=assignment.faces,
        )
    return read_clips(
        assignment.source.video,
        assignment.specs,
        detector=detector,
        limits=assignment.limits,
        faces=assignment.faces,
        start_s=assignment.source.start_s,
        end_s=assignment.source.end_s,
    )


def _frames(pipe: Connection) -> Iterator[LiveFrame]:
    with contextlib.suppress(EOFError):
        while True:
            yield unpack(pipe.recv_bytes())


def _tells_of_no_memory(error: BaseException | None) -> bool:
    if error is None:
        return False
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem or "bad_alloc" in str(error)
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or _tells_of_no_memory(error.__cause__)
    )


def _give_up_rights(assignment: Assignment) -> None:
    os.umask(0o077)
    # Its own group, so that whatever it might start is killed with it.
    os.setsid()
    # Libraries that print would meet the limit on file sizes.
    with Path(os.devnull).open("r+b") as nowhere:
        for stream in range(3):
            os.dup2(nowhere.fileno(), stream)
    # A terminal's interrupt is for the worker, which then ends this child in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _limit(resource.RLIMIT_AS, _address_space() + assignment.memory_bytes)
    # The kernel's SIGXCPU tells it apart from a kill, and comes only below the hard limit.
    _limit(resource.RLIMIT_CPU, assignment.cpu_s, grace=5)
    _limit(resource.RLIMIT_NOFILE, 32)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)


def _address_space() -> int:
    # The libraries alone map most of a gigabyte, the more the more processors there are, and use little of it.
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _limit(what: int, most: int, grace: int = 0) -> None:
    _, ceiling = resource.getrlimit(what)
    most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
    # macOS refuses RLIMIT_AS; the other limits hold there too.
    with contextlib.suppress(ValueError):
        resource.setrlimit(what, (most, most + grace if ceiling == resource.RLIM_INFINITY else ceiling))
