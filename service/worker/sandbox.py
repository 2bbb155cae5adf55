"""Decoding in a child: one child a video, from a fork server, killed when it is over a limit or not wanted any more."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import select
import signal
import struct
import threading
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from mien.contract.errors import CannotDecode, DecodeStalled, DecodeTooCostly, Misconfigured
from service.vision.clips import VideoEnded
from service.worker import decode_child
from service.worker.decode_child import Assignment
from service.worker.pipe import Event, receive_event

# How long an interruption may go unnoticed.
_SLICE_S = 0.2
# How long a child that has closed its end may take to die, so that its exit code tells why.
_ENDS_WITHIN_S = 30.0
# What multiprocessing gives as exit code when the fork server is gone; its children die with it.
_FORK_SERVER_DIED = 255

# Both are read as a process starts; what they save is address space, which the children have little of.
_CHILD_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_ENVIRONMENT_LOCK = threading.Lock()


class InterruptedWork(Exception):
    """The job is to be dropped: it was cancelled, lost to another worker, or the worker drains."""


class ChildLost(Exception):
    """The child was killed from outside: no fault of the video that is known."""


class Sandbox:
    """The fork server and the way to a child of it.

    Children inherit nothing of this process's environment.

    Args:
        stall_s: seconds without anything from a child before it is killed.
        required: read no video unless the kernel offers every layer of the confinement.
    """

    def __init__(self, stall_s: float, *, required: bool = False) -> None:
        self._stall_s = stall_s
        self._required = required
        self._context = multiprocessing.get_context("forkserver")

    def start(self) -> list[str]:
        """Start the fork server, with the decoder's libraries already in it.

        Returns:
            The layers of the confinement that the kernel does not offer, as a first child has found.

        Raises:
            Misconfigured: all are required, and one is lacking.
        """
        self._context.set_forkserver_preload(["service.worker.decode_child"])
        receiver, sender = self._context.Pipe(duplex=False)
        child = self._context.Process(target=decode_child.rehearse, args=(sender,), daemon=True)
        with _child_environment():
            child.start()
        sender.close()
        try:
            lacking: list[str] = json.loads(receiver.recv_bytes())
        except EOFError:
            child.join()
            raise Misconfigured(
                f"The decode child cannot be confined: it ended with exit code {child.exitcode}."
            ) from None
        finally:
            receiver.close()
            _kill(child)
        if self._required and lacking:
            raise Misconfigured(
                f"The kernel does not offer {', '.join(lacking)} to this process, and MIEN_SANDBOX is `required`. "
                "Allow it, or set MIEN_SANDBOX=best."
            )
        return lacking

    def decode(self, assignment: Assignment, interrupted: threading.Event) -> Generator[Event]:
        """Yield the events of a video or of live frames. Closing the generator, or any error, kills the child.

        Raises:
            BadMedia: the video is at fault.
            InterruptedWork: `interrupted` was set.
            ChildLost: the child was killed from outside.
        """
        receiver, sender = self._context.Pipe(duplex=False)
        child = self._context.Process(target=decode_child.run, args=(sender, assignment, self._required), daemon=True)
        with _child_environment():  # a fork server that has died is started anew
            child.start()
        sender.close()
        if isinstance(assignment.source, Connection):
            assignment.source.close()  # the child has it now, and sees its end only where nobody else has it
        listener = _Listener(receiver, self._stall_s, interrupted)
        event: Event | None = None
        try:
            while not isinstance(event, VideoEnded):
                try:
                    event = receive_event(listener, assignment.specs)
                except EOFError:
                    child.join(_ENDS_WITHIN_S)
                    raise _reason(child) from None
                yield event
        finally:
            _kill(child)
            receiver.close()


class _Listener:
    """The parent's end of the pipe. It never waits for long, not even in mid-message, where a child may stop too."""

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
            EOFError: the child is gone.
            InterruptedWork: the work was interrupted.
            DecodeStalled: the message did not come in time.
        """
        self._quiet_s = 0.0
        (size,) = self._LENGTH.unpack(self._read(self._LENGTH.size))
        if size < 0 or (maxlength is not None and size > maxlength):
            raise OSError(f"a message of {size} bytes")
        return self._read(size)

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        left = memoryview(content)
        while left:
            heard = self._poll.poll(1000 * _SLICE_S)
            if self._interrupted.is_set():
                raise InterruptedWork
            if not heard:
                self._note_silence()
                continue
            count = os.readv(self._file, [left])
            if count == 0:
                raise EOFError
            left = left[count:]
        return content

    def _note_silence(self) -> None:
        # Only time in which the worker listens counts: a child that waits for a slow worker has not stalled, nor has
        # one that was stopped together with its worker, which a clock would not tell apart.
        self._quiet_s += _SLICE_S
        if self._quiet_s >= self._stall_s:
            raise DecodeStalled(
                f"Decoding gave nothing for {self._stall_s:.0f} seconds. "
                "Convert the video to MP4 (H.264) and try again."
            )


@contextlib.contextmanager
def _child_environment() -> Iterator[None]:
    """Replace this process's environment for a moment: a fork server inherits what is there as it starts."""
    with _ENVIRONMENT_LOCK:
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(_CHILD_ENVIRONMENT)
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


def _kill(child: ForkServerProcess) -> None:
    if child.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
    child.join()
    child.close()
