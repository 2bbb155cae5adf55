"""An asyncio event loop in a daemon thread, for callers that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_CLEANUP_S = 10.0


class EventLoopThread:
    """Run coroutines on an event loop in a thread that never keeps the interpreter from exiting."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mien-client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result.

        An exception that reaches the waiting thread, as Ctrl-C's does, cancels the coroutine and waits until it has
        cleaned up.
        """
        task: asyncio.Task[T] | None = None
        ended = threading.Event()

        def start() -> None:
            nonlocal task
            task = self._loop.create_task(coroutine)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: ended.set())

        def cancel() -> None:
            if task is not None:
                task.cancel()
            else:  # interrupted before it was even handed over
                coroutine.close()
                ended.set()

        try:
            self._loop.call_soon_threadsafe(start)
            ended.wait()
        except BaseException:
            self._loop.call_soon_threadsafe(cancel)
            ended.wait(_CLEANUP_S)
            raise
        assert task is not None  # noqa: S101 - it has ended
        return task.result()

    def cancel_all(self) -> None:
        """Cancel what other threads run, whose calls raise CancelledError, and wait for it."""
        self.run(self._cancel_others())

    def stop(self) -> None:
        """Let the loop and its thread end."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self) -> None:
        """End the loop and its thread, and wait for that."""
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self.stop()
        self._thread.join()
        self._loop.close()

    async def _cancel_others(self) -> None:
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_CLEANUP_S)
