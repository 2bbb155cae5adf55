"""Decoding in a child: one child a video, from a fork server, killed when it is over a limit or not wanted any more."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess

from service.contract.errors import CannotDecode, DecodeStalled, DecodeTooCostly
from service.vision.clips import VideoEnded
from service.worker import decode_child
from service.worker.decode_child import Assignment
from service.worker.wire import Event, receive_event

# How long an interruption may go unnoticed.
_SLICE_S = 0.2


class InterruptedWork(Exception):
    """The job is to be dropped: it was cancelled, lost to another worker, or the worker drains."""


class ChildLost(Exception):
    """The child was killed from outside: no fault of the video that is known."""


class Sandbox:
    """The fork server and the way to a child of it.

    Children inherit the environment that this process has when `start` is called: the caller clears it before.
    """

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._context = multiprocessing.get_context("forkserver")

    def start(self) -> None:
        """Start the fork server, with the decoder's libraries already in it."""
        self._context.set_forkserver_preload(["service.worker.decode_child"])
        forkserver.ensure_running()

    def decode(self, assignment: Assignment, interrupted: threading.Event) -> Generator[Event]:
        """Yield the events of a video. Closing the generator, or any error, kills the child.

        Raises:
            BadMedia: the video is at fault.
            InterruptedWork: `interrupted` was set.
            ChildLost: the child was killed from outside.
        """
        receiver, sender = self._context.Pipe(duplex=False)
        child = self._context.Process(target=decode_child.run, args=(sender, assignment), daemon=True)
        child.start()
        sender.close()
        event: Event | None = None
        try:
            while not isinstance(event, VideoEnded):
                self._await(receiver, interrupted)
                try:
                    event = receive_event(receiver, assignment.specs)
                except EOFError:
                    child.join(_SLICE_S)
                    raise _reason(child) from None
                yield event
        finally:
            _kill(child)
            receiver.close()

    def _await(self, receiver: multiprocessing.connection.Connection, interrupted: threading.Event) -> None:
        # Only time in which the worker listens counts: a child that waits for a slow worker has not stalled.
        deadline = time.monotonic() + self._stall_s
        while not receiver.poll(_SLICE_S):
            if interrupted.is_set():
                raise InterruptedWork
            if time.monotonic() > deadline:
                raise DecodeStalled(
                    f"Decoding gave nothing for {self._stall_s:.0f} seconds. "
                    "Convert the video to MP4 (H.264) and try again."
                )
        if interrupted.is_set():
            raise InterruptedWork


def _reason(child: ForkServerProcess) -> Exception:
    if child.exitcode in (-signal.SIGXCPU, -signal.SIGXFSZ):
        return DecodeTooCostly("Decoding this video takes more processor time than is allowed. Cut it shorter.")
    if child.exitcode in (-signal.SIGKILL, -signal.SIGTERM, None):
        return ChildLost(f"the decode child ended early (exit code {child.exitcode})")
    return CannotDecode("The video made the decoder crash. Convert it to MP4 (H.264) and try again.")


def _kill(child: ForkServerProcess) -> None:
    if child.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
    child.join()
    child.close()
