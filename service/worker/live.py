"""Live analyses: claim one, take its frames, tell its windows. Nothing of them is stored, and none is tried again."""

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
from mien.contract.live import END, LONGEST_GAP_S, LiveUpdate
from service.queue.sessions import Desk, Line, Session
from service.worker import metrics
from service.worker.pipeline import Pipeline, WindowScored
from service.worker.sandbox import InterruptedWork

log = structlog.get_logger()

# Frames that may be on their way: at 15 a second and the gap of a network they keep the worker busy, and they are what
# a session holds in memory.
_CREDITS = 4
_WAIT_S = 1.0


class Live:
    """The live analyses of one worker.

    Args:
        desk: where they are claimed.
        pipeline: does the work.
        slots: how many at a time.
        max_s: the longest one.
    """

    def __init__(self, desk: Desk, pipeline: Pipeline, *, slots: int, max_s: float) -> None:
        self._desk = desk
        self._pipeline = pipeline
        self._max_s = max_s
        self._free = threading.BoundedSemaphore(slots)
        self._stopping = threading.Event()
        self._sessions: set[threading.Thread] = set()

    def stop(self) -> None:
        """Claim no more, and end those under way."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop` is called."""
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=_WAIT_S):
                continue
            try:
                session = self._desk.claim(_WAIT_S)
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

    def _serve(self, session: Session) -> None:
        metrics.LIVE.inc()
        try:
            with structlog.contextvars.bound_contextvars(session=session.id), self._desk.join(session) as line:
                line.tell(self._watch(session, line))
        except RedisError as error:
            log.warning("queue unreachable, live analysis lost", error=str(error))
        finally:
            metrics.LIVE.dec()
            self._free.release()
            self._sessions.discard(threading.current_thread())

    def _watch(self, session: Session, line: Line) -> LiveUpdate:
        """Work on a session; return its last news."""
        interruption = _Interruption()
        reader, writer = Pipe(duplex=False)
        feeder = threading.Thread(target=self._feed, args=(line, writer, interruption), daemon=True)
        feeder.start()
        failed: MienError
        try:
            heard = line.tell(LiveUpdate(credits=_CREDITS))
            if not heard:
                interruption.set()
            for event in self._pipeline.watch(session.id, reader, session.options, interruption):
                if isinstance(event, WindowScored):
                    metrics.WINDOWS.inc()
                    window = FaceWindow.model_validate({"track": event.track, **event.window.model_dump()})
                    heard = heard and line.tell(LiveUpdate(window=window))
                else:
                    heard = heard and line.tell(LiveUpdate(credits=1))
                if not heard:
                    interruption.set()
            return LiveUpdate(ended=True)
        except InterruptedWork:
            failed = interruption.reason
        except (BadMedia, InvalidRequest) as error:
            failed = error
        except RedisError:
            raise
        except Exception:
            log.exception("live analysis broke")
            failed = Unexpected("The live analysis broke: begin another one.")
        finally:
            interruption.set()
            feeder.join(2 * _WAIT_S)
        return LiveUpdate(problem=failed.problem())

    def _feed(self, line: Line, writer: Connection, interruption: _Interruption) -> None:
        """Hand frames on to the child until they end, stay away for too long, or the work is interrupted."""
        began = heard = time.monotonic()
        with contextlib.closing(writer), contextlib.suppress(BrokenPipeError):
            while not interruption.is_set():
                try:
                    data = line.receive(_WAIT_S)
                except RedisError:
                    interruption.set()
                    return
                now = time.monotonic()
                if data == END:
                    return
                if data is not None:
                    heard = now
                    writer.send_bytes(data)
                if now - began > self._max_s:
                    interruption.reason = TooLong(f"A live analysis takes {self._max_s:g} s at most. Begin another.")
                if self._stopping.is_set() or now - heard > 2 * LONGEST_GAP_S or now - began > self._max_s:
                    interruption.set()


class _Interruption(threading.Event):
    """That a session's work is to end, and what to tell of it."""

    reason: MienError = SessionLost("The live analysis was cut off. Begin another one.", 1)
