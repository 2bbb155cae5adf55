"""Claim live sessions, analyse their frames, and send back windows. Nothing is stored or retried."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import structlog
from redis.exceptions import RedisError

from mien.contract.errors import BadMedia, InvalidRequest, MienError, SessionLost, TooLong, Unexpected
from mien.contract.events import FaceWindow
from mien.contract.live_messages import END, LONGEST_GAP_S, LiveUpdate
from service.queue.live_sessions import LiveSession, LiveSessionQueue, LiveWorkerChannel
from service.worker import metrics
from service.worker.occupancy import Occupancy
from service.worker.pipeline import Pipeline
from service.worker.sandbox import InterruptedWork

log = structlog.get_logger()

# Frames in flight per session: enough to hide network latency at 15 frames per second; they bound a session's memory.
# One of them is on display in the worker, which returns its credit when the next one comes.
_CREDITS = 5
_WAIT_S = 1.0
_SILENT_S = 0.25  # without a frame: then the gateway may be gone, or the session interrupted


class LiveLoop:
    """Run the live sessions of one worker.

    Args:
        queue: the queue of live sessions.
        pipeline: analyses the frames.
        slots: maximum number of sessions at once.
        max_s: maximum length of a session in seconds.
        occupancy: counts the work in this process, jobs included.
    """

    def __init__(
        self, queue: LiveSessionQueue, pipeline: Pipeline, *, slots: int, max_s: float, occupancy: Occupancy
    ) -> None:
        self._queue = queue
        self._pipeline = pipeline
        self._max_s = max_s
        self._occupancy = occupancy
        self._free = threading.BoundedSemaphore(slots)
        self._stopping = threading.Event()
        self._sessions: set[threading.Thread] = set()

    def stop(self) -> None:
        """Stop claiming sessions and end the running ones."""
        self._stopping.set()

    def run(self) -> None:
        """Run until `stop` is called."""
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=_WAIT_S):
                continue
            try:
                session = self._claim()
            except RedisError as error:
                log.warning("queue unreachable", error=str(error))
                self._stopping.wait(random.uniform(0.5, 2.0))  # noqa: S311 - jitter, no secret
                session = None
            if session is None:
                self._free.release()
                continue
            thread = threading.Thread(target=self._serve, args=(session,), name=f"live-{session.id}", daemon=True)
            self._sessions.add(thread)
            thread.start()
        for thread in list(self._sessions):
            thread.join(5)

    def _claim(self) -> LiveSession | None:
        """Wait for a session and take it, unless a job runs alone here or waits to."""
        if not self._occupancy.open:
            self._stopping.wait(_WAIT_S)
            return None
        session = self._queue.claim(_WAIT_S)
        if session == "newer":
            log.error("live session has options of a newer release: update this worker")
            self._stopping.wait(_WAIT_S)  # which leaves the session to others
            return None
        if session is not None and not self._occupancy.enter():
            self._queue.give_back(session)
            return None
        return session

    def _serve(self, session: LiveSession) -> None:
        metrics.LIVE.inc()
        try:
            with structlog.contextvars.bound_contextvars(session=session.id), self._queue.join(session) as channel:
                channel.send(self._watch(session, channel))
        except RedisError as error:
            log.warning("queue unreachable, live analysis lost", error=str(error))
        finally:
            metrics.LIVE.dec()
            self._occupancy.leave()
            self._free.release()
            self._sessions.discard(threading.current_thread())

    def _watch(self, session: LiveSession, channel: LiveWorkerChannel) -> LiveUpdate:
        """Analyse a session; return its last message."""
        interruption = _Interruption()
        reader, writer = Pipe(duplex=False)
        feeder = threading.Thread(target=self._feed, args=(channel, writer, interruption), daemon=True)
        feeder.start()
        failed: MienError
        try:
            delivered = channel.send(LiveUpdate(credits=_CREDITS))
            if not delivered:
                interruption.set()
            for event in self._pipeline.watch(session.id, reader, session.options, interruption):
                if isinstance(event, FaceWindow):
                    metrics.WINDOWS.inc()
                    delivered = delivered and channel.send(LiveUpdate(window=event))
                else:
                    delivered = delivered and channel.send(LiveUpdate(credits=1))
                if not delivered:
                    interruption.set()
            return LiveUpdate(ended=True)
        except InterruptedWork:
            failed = interruption.reason
        except (BadMedia, InvalidRequest) as error:
            failed = error
        except RedisError:
            raise
        except Exception:
            log.exception("live analysis failed")
            failed = Unexpected("The live analysis failed. Start another one.")
        finally:
            interruption.set()
            feeder.join(_WAIT_S)
        return LiveUpdate(problem=failed.problem())

    def _feed(self, channel: LiveWorkerChannel, writer: Connection, interruption: _Interruption) -> None:
        """Forward frames to the child until they end, none come for too long, or the session is interrupted."""
        began = last_frame = time.monotonic()
        with contextlib.closing(writer), contextlib.suppress(BrokenPipeError):
            while not interruption.is_set():
                try:
                    data = channel.receive(_SILENT_S)
                    if data is None and not channel.send(LiveUpdate()):  # the gateway was killed
                        interruption.set()
                except RedisError:
                    interruption.set()
                    return
                now = time.monotonic()
                if data == END:
                    return
                if data is not None:
                    last_frame = now
                    writer.send_bytes(data)
                if now - began > self._max_s:
                    interruption.reason = TooLong(
                        f"A live analysis may last {self._max_s:g} s at most. Start another one."
                    )
                if self._stopping.is_set() or now - last_frame > 2 * LONGEST_GAP_S or now - began > self._max_s:
                    interruption.set()


class _Interruption(threading.Event):
    """Signal that a session must end, with the error to send to the client."""

    reason: MienError = SessionLost("The live analysis was cut off. Start another one.", 1)
