"""The client for everybody else: `AsyncMien` on an event loop in a thread of its own, so that notebooks can use it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from functools import partial
from types import TracebackType
from typing import TypeVar

from anyio.from_thread import start_blocking_portal
from anyio.to_thread import run_sync

from mien.client.aio import DEFAULT_URL, AsyncMien, Video
from mien.client.live import Frame
from mien.contract.events import FaceWindow, Happening
from mien.contract.jobs import State
from mien.contract.live import LiveScored
from mien.contract.options import AnalyzeOptions, LiveOptions
from mien.contract.results import Analysis, Progress, Summary
from mien.contract.workers import Models

T = TypeVar("T")


class Mien:
    """A Mien service at `url`, with an API key where it needs one; close it, or use it in a `with`.

    Methods, arguments and errors are `AsyncMien`'s.
    """

    def __init__(self, url: str = DEFAULT_URL, *, key: str | None = None, patience_s: float = 60.0) -> None:
        self._mien = AsyncMien(url, key=key, patience_s=patience_s)
        self._thread = start_blocking_portal()
        self._portal = self._thread.__enter__()

    def __enter__(self) -> Mien:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._portal.call(self._mien.aclose)
        self._thread.__exit__(None, None, None)

    def analyze(
        self,
        video: Video,
        options: AnalyzeOptions | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Analysis:
        """Upload a video and return its analysis when it has ended."""
        return self._portal.call(self._mien.analyze, video, options, on_progress)

    def windows(self, video: Video, options: AnalyzeOptions | None = None) -> Generator[FaceWindow]:
        """Upload a video and give each window's scores as soon as they exist."""
        return self._each(self._mien.windows(video, options))

    def live(self, frames: Iterable[Frame], options: LiveOptions | None = None) -> Generator[LiveScored]:
        """Send pictures as they are taken and give each window's scores as soon as they exist.

        `frames` is read in a thread of its own.
        """
        return self._each(self._mien.live(_as_they_come(frames), options))

    def submit(
        self, video: Video, options: AnalyzeOptions | None = None, *, idempotency_key: str | None = None
    ) -> Analysis:
        """Upload a video and return its analysis as soon as it is accepted."""
        return self._portal.call(partial(self._mien.submit, video, options, idempotency_key=idempotency_key))

    def watch(self, analysis_id: str) -> Generator[Happening]:
        """Give what happens to an analysis from its beginning to its end."""
        return self._each(self._mien.watch(analysis_id))

    def get(self, analysis_id: str) -> Analysis:
        """Return an analysis in whatever state it is."""
        return self._portal.call(self._mien.get, analysis_id)

    def analyses(self, state: State | None = None) -> Generator[Summary]:
        """Give all analyses that can be read, newest first."""
        return self._each(self._mien.analyses(state))

    def delete(self, analysis_id: str) -> None:
        """Cancel an analysis if it still runs, and erase its video and its result."""
        self._portal.call(self._mien.delete, analysis_id)

    def models(self) -> Models:
        """Return what is served, and by how many workers."""
        return self._portal.call(self._mien.models)

    def _each(self, items: AsyncGenerator[T]) -> Generator[T]:
        try:
            while True:
                try:
                    yield self._portal.call(items.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self._portal.call(items.aclose)


async def _as_they_come(frames: Iterable[Frame]) -> AsyncGenerator[Frame]:
    left = iter(frames)
    while (frame := await run_sync(next, left, None, abandon_on_cancel=True)) is not None:
        yield frame
