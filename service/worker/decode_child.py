"""The child that decodes an untrusted video or live frames: it limits and confines itself, then sends events.

It starts from a fork server without environment, holds no secret and no connection but the pipe, and dies
with its worker.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

# PyAV imports these when it first reads a stream, which the confinement would prevent.
import av.subtitles.codeccontext
import av.subtitles.stream
import av.subtitles.subtitle  # noqa: F401
import cv2

from mien.contract.containers import OptionalFormat
from mien.contract.errors import BadMedia, CannotDecode, Misconfigured
from mien.contract.live_messages import LiveFrame, unpack
from service.vision.clips import ClipSpec, Limits, Progressed, read_clips, watch_clips
from service.vision.decode_device import DecodeDevice, GpuUnavailable, try_gpu
from service.vision.faces import FaceDetector, open_detector
from service.vision.formats import uploads_with
from service.vision.out_of_memory import translate_out_of_memory
from service.worker import kernel
from service.worker.confinement import confine
from service.worker.pipe import Event, send_error, send_event

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class VideoPart:
    """One track of a video, from one second of it to another or to its end."""

    video: Path
    start_s: float
    end_s: float | None
    track: int | None = None


@dataclass(frozen=True)
class Assignment:
    """What a child reads, and its limits; `memory_bytes` are in addition to the memory that it starts with.

    A pipe as `source` gives packed frames (`mien.contract.live_messages`) until it is closed; they are decoded on the
    processor.
    """

    source: VideoPart | Connection
    specs: Sequence[ClipSpec]
    faces: int
    yunet: Path | None
    limits: Limits
    memory_bytes: int
    cpu_s: int
    formats: tuple[OptionalFormat, ...] = ()
    device: DecodeDevice = "cpu"


def run(pipe: Connection, assignment: Assignment, required: bool) -> None:
    """Run the child: read the assigned video and send its events, or the error that stopped it.

    Args:
        pipe: to the worker.
        assignment: what to read.
        required: read it only if every layer of the confinement is available.
    """
    _leave_group(pipe, assignment.source)
    _limit_resources(assignment)
    try:
        with translate_out_of_memory():
            cv2.setNumThreads(1)
            detector = open_detector(assignment.yunet)
            readable = [assignment.source.video] if isinstance(assignment.source, VideoPart) else []
            lacking = confine(readable, device=assignment.device)
            if required and lacking:
                _exit_without_blame()

            def on_passed() -> None:
                send_event(pipe, Progressed(0.0))

            for event in _events(assignment, detector, on_passed):
                send_event(pipe, event)
    except BrokenPipeError:
        return
    except Misconfigured:
        _exit_without_blame()
    except BadMedia as error:
        send_error(pipe, error)
    except Exception:  # untrusted bytes may raise any error, and its text must not leak
        send_error(pipe, CannotDecode("The video cannot be decoded. Convert it to MP4 (H.264) and try again."))


def _exit_without_blame() -> None:
    """Exit in the way that `Sandbox` does not blame on the video."""
    signal.raise_signal(signal.SIGKILL)


def report_confinement(pipe: Connection, device: DecodeDevice) -> None:
    """Run a child that is confined and reads nothing: send the layers of the confinement that are lacking, in JSON."""
    _leave_group(pipe, pipe)
    pipe.send_bytes(json.dumps(confine([], device=device)).encode())


def report_gpu(pipe: Connection, device: DecodeDevice) -> None:
    """Run a child that is confined and tries the GPU: send why it cannot decode, in JSON, or null."""
    _leave_group(pipe, pipe)
    confine([], device=device)
    problem = None
    try:
        try_gpu()
    except GpuUnavailable as error:
        problem = str(error)
    pipe.send_bytes(json.dumps(problem).encode())


def _events(assignment: Assignment, detector: FaceDetector, on_passed: Callable[[], None]) -> Iterator[Event]:
    if not isinstance(assignment.source, VideoPart):
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
        track=assignment.source.track,
        formats=uploads_with(assignment.formats),
        device=assignment.device,
        on_passed=on_passed,
    )


def _frames(pipe: Connection) -> Iterator[LiveFrame]:
    with contextlib.suppress(EOFError):
        while True:
            yield unpack(pipe.recv_bytes())


def _leave_group(pipe: Connection, source: VideoPart | Connection) -> None:
    """Leave the fork server's process group, and all its open files but those of this child."""
    os.umask(0o077)
    # Its own process group, so that all processes that it might start are killed with it. Not its own session, because
    # Linux may weigh priorities within a session only (autogroup in sched(7)), and `Sandbox` lowers this child's.
    os.setpgid(0, 0)
    # Libraries that print would exceed the limit on file sizes.
    with Path(os.devnull).open("r+b") as nowhere:
        for stream in range(3):
            os.dup2(nowhere.fileno(), stream)
    # multiprocessing leaves the pipes open that keep the fork server and the resource tracker running.
    kept = {2, pipe.fileno()} | ({source.fileno()} if isinstance(source, Connection) else set())
    for below, above in itertools.pairwise([*sorted(kept), os.sysconf("SC_OPEN_MAX")]):
        os.closerange(below + 1, above)
    # Ctrl-C is handled by the worker, which then ends this child.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_resources(assignment: Assignment) -> None:
    if assignment.device == "cpu":  # a GPU's driver reserves far more address space than it uses
        _limit(resource.RLIMIT_AS, _address_space() + assignment.memory_bytes)
        _limit(resource.RLIMIT_NOFILE, 32)
        _limit(resource.RLIMIT_FSIZE, 0)
    # The kernel's SIGXCPU tells it apart from a kill, and comes only below the hard limit.
    _limit(resource.RLIMIT_CPU, assignment.cpu_s, grace=5)
    _limit(resource.RLIMIT_CORE, 0)


def _address_space() -> int:
    # The libraries alone map most of a gigabyte, more on more processors, and use little of it.
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _limit(what: int, most: int, grace: int = 0) -> None:
    _, ceiling = resource.getrlimit(what)
    most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
    # macOS refuses RLIMIT_AS; the other limits hold there too.
    with contextlib.suppress(ValueError):
        resource.setrlimit(what, (most, most + grace if ceiling == resource.RLIM_INFINITY else ceiling))
