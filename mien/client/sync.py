"""The synchronous client: `AsyncMien` on an event loop in a thread of its own, so that notebooks can use it, too."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, TypeVar, Unpack

from mien.client.aio import DEFAULT_URL, AsyncMien
from mien.client.analysis import Analysis
from mien.client.event_loop import EventLoopThread
from mien.client.options import AnalyzeKeywords, LiveKeywords
from mien.client.video import Video
from mien.client.websocket import Frame
from mien.contract.events import AnalysisEvent, FaceWindow
from mien.contract.jobs import State
from mien.contract.live_messages import LiveScored
from mien.contract.options import AnalyzeOptions, LiveOptions
from mien.contract.results import Progress, Summary
from mien.contract.workers import Models

T = TypeVar("T")


class Mien:
    """A Mien service at `url`, with an API key where it needs one; close it, or use it in a `with`.

    Methods, arguments and errors are `AsyncMien`'s. Threads may share one client. Ctrl-C ends the call under way.
    """

    def __init__(self, url: str = DEFAULT_URL, *, key: str | None = None, patience_s: float = 60.0) -> None:
        self._mien = AsyncMien(url, key=key, patience_s=patience_s)
        self._loop = EventLoopThread()
        self._open: set[AsyncGenerator[Any]] = set()
        self._stop = weakref.finalize(self, self._loop.stop)  # a client that nobody closes leaves no thread behind

    def __enter__(self) -> Mien:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the calls that other threads make, which raise CancelledError there, and close the connections."""
        if self._stop.detach() is not None:
            self._loop.cancel_all()
            # One after the other, from the outside: the loop would close them together with those that they read from.
            for items in list(self._open):
                self._loop.run(items.aclose())
            self._loop.run(self._mien.aclose())
            self._loop.close()

    def analyze(
        self,
        video: Video,
        options: AnalyzeOptions | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        **keywords: Unpack[AnalyzeKeywords],
    ) -> Analysis:
        """Upload a video and return its analysis when it has ended."""
        return self._loop.run(self._mien.analyze(video, options, on_progress, **keywords))

    def windows(
        self, video: Video, options: AnalyzeOptions | None = None, **keywords: Unpack[AnalyzeKeywords]
    ) -> Generator[FaceWindow]:
        """Upload a video and yield each window's scores as soon as they exist."""
        return self._each(self._mien.windows(video, options, **keywords))

    def live(
        self, frames: Iterable[Frame], options: LiveOptions | None = None, **keywords: Unpack[LiveKeywords]
    ) -> Generator[LiveScored]:
        """Send live frames and yield each window's scores as soon as they exist.

        `frames` is read in a thread of its own.
        """
        return self._each(self._mien.live(_read_in_thread(frames), options, **keywords))

    def submit(
        self,
        video: Video,
        options: AnalyzeOptions | None = None,
        *,
        idempotency_key: str | None = None,
        **keywords: Unpack[AnalyzeKeywords],
    ) -> Analysis:
        """Upload a video and return its analysis as soon as it is accepted."""
        return self._loop.run(self._mien.submit(video, options, idempotency_key=idempotency_key, **keywords))

    def watch(self, analysis_id: str) -> Generator[AnalysisEvent]:
        """Yield the events of an analysis from its start to its end."""
        return self._each(self._mien.watch(analysis_id))

    def get(self, analysis_id: str) -> Analysis:
        """Return an analysis in its current state."""
        return self._loop.run(self._mien.get(analysis_id))

    def analyses(self, state: State | None = None) -> Generator[Summary]:
        """Yield summaries of all analyses that can be read, newest first."""
        return self._each(self._mien.analyses(state))

    def delete(self, analysis_id: str) -> None:
        """Cancel an analysis if it still runs, and erase its video and result."""
        self._loop.run(self._mien.delete(analysis_id))

    def models(self) -> Models:
        """Return the models that are served, and the number of workers."""
        return self._loop.run(self._mien.models())

    def _each(self, items: AsyncGenerator[T]) -> Generator[T]:
        self._open.add(items)
        try:
            while True:
                try:
                    yield self._loop.run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            if self._stop.alive:  # closing the client has closed `items`
                self._loop.run(items.aclose())
            self._open.discard(items)


async def _next(items: AsyncGenerator[T]) -> T:
    return await anext(items)


async def _read_in_thread(frames: Iterable[Frame]) -> AsyncGenerator[Frame]:
    """Read frames in a daemon thread, one ahead: a source that blocks keeps neither the loop nor the exit waiting."""
    loop = asyncio.get_running_loop()
    ahead: asyncio.Queue[Frame | BaseException | None] = asyncio.Queue(1)
    ended = threading.Event()

    def put(item: Frame | BaseException | None) -> None:
        putting = ahead.put(item)
        try:
            asyncio.run_coroutine_threadsafe(putting, loop).result()
        finally:
            putting.close()  # the loop may have been closed before it began

    def read() -> None:
        try:
            for frame in frames:
                if ended.is_set():
                    return
                put(frame)
            put(None)
        except Exception as error:
            if not ended.is_set():
                put(error)

    threading.Thread(target=read, name="mien-frames", daemon=True).start()
    try:
        while (item := await ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended.set()
        while not ahead.empty():
            ahead.get_nowait()
