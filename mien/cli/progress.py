"""Progress bars on stderr, where it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mien.contract import results


class Bars:
    """A bar for each video under way and, if there are several, one for all of them."""

    def __init__(self, videos: int) -> None:
        name = TextColumn("{task.description}", markup=False)  # a file's name may have brackets
        columns = name, BarColumn(), TextColumn("{task.fields[done]}"), TimeElapsedColumn()
        self._console = Console(stderr=True)
        self._bars = Progress(*columns, console=self._console)
        self._total = self._bars.add_task("all", total=videos, done="", visible=videos > 1)
        self._live: Live | None = None

    def __enter__(self) -> Bars:
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._hide()

    @contextmanager
    def video(self, name: str) -> Iterator[Callable[[results.Progress], None]]:
        """Show the bar of one video; give the function that moves it on."""
        bar = self._bars.add_task(name, total=None, done="waiting")

        def move(progress: results.Progress) -> None:
            of = f" of {progress.total_s:.1f} s" if progress.total_s else ""
            done = f"{progress.done_s:.1f} s{of}"
            self._bars.update(bar, completed=progress.done_s, total=progress.total_s, done=done)

        try:
            yield move
        finally:
            self._bars.remove_task(bar)
            self._bars.advance(self._total)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bars off the terminal while something else is printed on it."""
        shown = self._live is not None
        self._hide()
        try:
            yield
        finally:
            if shown:
                self._show()

    def _show(self) -> None:
        if sys.stderr.isatty():
            # A new one each time: an old one would erase what was printed since.
            self._live = Live(
                self._bars, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()

    def _hide(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
