"""Decode each video in a child of a fork server, which is killed if it exceeds a limit or is not needed any more."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import select
import signal
import struct
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import structlog

from mien.contract.errors import BadMedia, CannotDecode, DecodeStalled, DecodeTooCostly, Misconfigured
from mien.contract.live_messages import LONGEST_GAP_S
from service.vision.clips import Progressed, VideoEnded
from service.vision.decode_device import DecodeDevice
from service.worker import decode_child
from service.worker.decode_child import Assignment, VideoPart
from service.worker.pipe import Event, receive_event

log = structlog.get_logger()

# Longest time until an interruption is noticed, and until None tells that a child of live frames is silent: less than
# the time between two frames.
_SLICE_S = 0.05
# Longest time for a child that has closed its end to exit, so that its exit code is known.
_ENDS_WITHIN_S = 30.0
# Each second of a video that is done makes its child nicer than the worker by one, up to this: it gives way to shorter
# videos and to live frames. Its weight is a third of theirs then (sched(7)); with less, a large video might stall.
_NICEST = 5
# Longest time for a child that reads no video to answer; a GPU's driver may take seconds to start.
_ANSWERS_WITHIN_S = 60.0
# The exit code that multiprocessing reports if the fork server died; its children die with it.
_FORK_SERVER_DIED = 255

# Both are read when a process starts; they save address space, which is limited in the children.
_CHILD_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
# Which GPU, and where its driver's libraries are.
_CARD_ENVIRONMENT = ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
_ENVIRONMENT_LOCK = threading.Lock()


class InterruptedWork(Exception):
    """The work was interrupted: the job was cancelled or taken over by another worker, or the worker drains."""


class ChildLost(Exception):
    """The child was killed from outside, for no known fault of the video."""


class Sandbox:
    """The fork server and its children.

    Children inherit nothing of this process's environment but, for a GPU, which GPU is meant.

    Args:
        stall_s: seconds without output of a child until it is killed; the time that live frames may take to come is
            added.
        required: read videos only if the kernel offers every layer of the confinement.
    """

    def __init__(self, stall_s: float, *, required: bool = False) -> None:
        self._stall_s = stall_s
        self._required = required
        self._context = multiprocessing.get_context("forkserver")

    def start(self, device: DecodeDevice = "cpu") -> list[str]:
        """Start the fork server, with the decoder's libraries loaded in it.

        Args:
            device: where videos will be decoded.

        Returns:
            The layers of the confinement that are lacking, as a first child reports.

        Raises:
            Misconfigured: all are required, and one is missing; or the GPU does not decode.
        """
        self._context.set_forkserver_preload(["service.worker.decode_child"])
        answer = self._ask(decode_child.report_confinement, device, "The decode child cannot be confined")
        lacking: list[str] = json.loads(answer)
        if device != "cpu":
            if self._required:
                raise Misconfigured(
                    "MIEN_SANDBOX is `required`, and decoding on a GPU leaves out Landlock and seccomp. Set "
                    "MIEN_SANDBOX=best or MIEN_DECODE_DEVICE=cpu."
                )
            answer = self._ask(decode_child.report_gpu, device, f"MIEN_DECODE_DEVICE={device} cannot be tried")
            if problem := json.loads(answer):
                raise Misconfigured(
                    f"MIEN_DECODE_DEVICE is {device}, and {problem}. In a container the driver must offer its "
                    "capability video (NVIDIA_DRIVER_CAPABILITIES). MIEN_DECODE_DEVICE=cpu decodes on the processor."
                )
        if self._required and lacking:
            raise Misconfigured(
                f"The kernel does not offer {', '.join(lacking)} to this process, and MIEN_SANDBOX is `required`. "
                "Allow it, or set MIEN_SANDBOX=best."
            )
        return lacking

    def _ask(self, question: Callable[[Connection, DecodeDevice], None], device: DecodeDevice, failed: str) -> bytes:
        """Return what a child sends; raise Misconfigured, beginning with `failed`, if it sends nothing."""
        receiver, sender = self._context.Pipe(duplex=False)
        child = self._context.Process(target=question, args=(sender, device), daemon=True)
        with _child_environment(device):
            child.start()
        sender.close()
        try:
            if receiver.poll(_ANSWERS_WITHIN_S):
                return receiver.recv_bytes()
        except EOFError:
            child.join()
            raise Misconfigured(f"{failed}: a child ended with exit code {child.exitcode}.") from None
        finally:
            receiver.close()
            _kill(child)
        raise Misconfigured(f"{failed}: a child gave no answer within {_ANSWERS_WITHIN_S:.0f} seconds.")

    def decode(self, assignment: Assignment, interrupted: threading.Event) -> Generator[Event | None]:
        """Yield the events of a video or of live frames. Closing the generator, or any error, kills the child.

        None is yielded several times a second while a child of live frames is silent: it waits for the client, and
        scored windows must not.

        A GPU's failure is no fault of the video: before the first event other than `Progressed`, the CPU decodes it
        from the start instead; after that, ChildLost is raised.

        Raises:
            BadMedia: the video cannot be decoded.
            InterruptedWork: `interrupted` was set.
            ChildLost: the child was killed from outside, or the GPU failed.
        """
        if assignment.device == "cpu":
            yield from self._decode(assignment, interrupted)
            return
        began = False
        try:
            with contextlib.closing(self._decode(assignment, interrupted)) as events:
                for event in events:
                    began = began or not isinstance(event, Progressed)
                    yield event
        except (BadMedia, ChildLost) as error:
            if began:
                raise ChildLost(f"decoding on the GPU failed: {error}") from error
            log.warning("decoded on the processor, because the GPU cannot", reason=str(error))
            yield from self._decode(replace(assignment, device="cpu"), interrupted)

    def _decode(self, assignment: Assignment, interrupted: threading.Event) -> Generator[Event | None]:
        receiver, sender = self._context.Pipe(duplex=False)
        child = self._context.Process(target=decode_child.run, args=(sender, assignment, self._required), daemon=True)
        with _child_environment(assignment.device):  # a fork server that has died is started anew
            child.start()
        sender.close()
        if isinstance(assignment.source, Connection):
            assignment.source.close()  # the child has it now, and notices its end only if no other process holds it
        # The worker ends a session that no frame comes to for twice the longest gap: until then, the child only waits.
        waits_s = 2 * LONGEST_GAP_S if isinstance(assignment.source, Connection) else 0.0
        listener = _Listener(receiver, self._stall_s + waits_s, interrupted)
        event: Event | None = None
        try:
            while not isinstance(event, VideoEnded):
                while isinstance(assignment.source, Connection) and not listener.hears():
                    yield None
                try:
                    event = receive_event(listener, assignment.specs)
                except EOFError:
                    child.join(_ENDS_WITHIN_S)
                    raise _reason(child) from None
                if isinstance(event, Progressed) and isinstance(assignment.source, VideoPart):
                    _give_way(child, event.done_s)
                yield event
        finally:
            _kill(child)
            receiver.close()


class _Listener:
    """The parent's end of the pipe. It never waits for long, not even within a message, where a child may stop too."""

    # How multiprocessing frames a message: its length, then its bytes.
    _LENGTH = struct.Struct("!i")

    def __init__(self, pipe: Connection, stall_s: float, interrupted: threading.Event) -> None:
        self._file = pipe.fileno()
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)
        self._stall_s = stall_s
        self._quiet_s = 0.0
        self._interrupted = interrupted

    def recv_bytes(self, maxlength: int | None = None, /) -> bytearray:
        """Return the next message.

        Raises:
            OSError: it is longer than `maxlength`.
            EOFError: the child has exited.
            InterruptedWork: the work was interrupted.
            DecodeStalled: the message did not come in time.
        """
        self._quiet_s = 0.0
        (size,) = self._LENGTH.unpack(self._read(self._LENGTH.size))
        if size < 0 or (maxlength is not None and size > maxlength):
            raise OSError(f"a message of {size} bytes")
        return self._read(size)

    def hears(self) -> bool:
        """Wait for a moment; return whether the child has sent something, or has exited.

        Raises:
            InterruptedWork: the work was interrupted.
            DecodeStalled: nothing has come for too long.
        """
        heard = bool(self._poll.poll(1000 * _SLICE_S))
        if self._interrupted.is_set():
            raise InterruptedWork
        if not heard:
            self._check_stall()
        return heard

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        left = memoryview(content)
        while left:
            if not self.hears():
                continue
            count = os.readv(self._file, [left])
            if count == 0:
                raise EOFError
            left = left[count:]
        return content

    def _check_stall(self) -> None:
        # Only time in which the worker listens counts: a child that waits for a slow worker has not stalled, nor has
        # one that was suspended together with its worker, which a clock could not tell.
        self._quiet_s += _SLICE_S
        if self._quiet_s >= self._stall_s:
            raise DecodeStalled(
                f"Decoding gave nothing for {self._stall_s:.0f} seconds. "
                "Convert the video to MP4 (H.264) and try again."
            )


@contextlib.contextmanager
def _child_environment(device: DecodeDevice) -> Iterator[None]:
    """Clear this process's environment for the duration of the block: a fork server inherits it when it starts."""
    with _ENVIRONMENT_LOCK:
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(_CHILD_ENVIRONMENT)
        if device != "cpu":
            os.environ.update({name: before[name] for name in _CARD_ENVIRONMENT if name in before})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _reason(child: ForkServerProcess) -> Exception:
    if child.exitcode in (-signal.SIGXCPU, -signal.SIGXFSZ):
        return DecodeTooCostly("Decoding this video takes more processor time than is allowed. Cut it shorter.")
    if child.exitcode in (-signal.SIGKILL, -signal.SIGTERM, _FORK_SERVER_DIED, None):
        return ChildLost(f"the decode child ended early (exit code {child.exitcode})")
    return CannotDecode("The video made the decoder crash. Convert it to MP4 (H.264) and try again.")


def _give_way(child: ForkServerProcess, done_s: float) -> None:
    if child.pid is not None:
        niceness = os.getpriority(os.PRIO_PROCESS, 0) + min(_NICEST, int(done_s))
        with contextlib.suppress(OSError):  # it has sent everything and ended, or the platform refuses
            os.setpriority(os.PRIO_PGRP, child.pid, niceness)


def _kill(child: ForkServerProcess) -> None:
    if child.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
    child.join()
    child.close()
