"""Show the progress of long commands, on stderr."""

from __future__ import annotations

import os
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.status import Status


def clips_bar(console: Console) -> Progress:
    """Return a progress bar that counts clips and estimates the time left."""
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"))
    return Progress(*parts, TimeElapsedColumn(), TimeRemainingColumn(), console=console)


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Steps:
    """Show the running step of a command, and the time that each step took; a context manager.

    Call it with the name of a step when the step begins.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._name = ""
        self._began = 0.0

    def __call__(self, name: str) -> None:
        """End the step before, and begin this one."""
        self._end()
        self._name, self._began = name, time.perf_counter()
        self._status = self._console.status(f"{name} …")
        self._status.start()

    def __enter__(self) -> Self:
        """Enter without a running step."""
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """End the last step; print no time if it failed."""
        if error and self._status is not None:
            self._status.stop()
        else:
            self._end()

    def _end(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
            self._console.print(f"{self._name}: {time.perf_counter() - self._began:.1f} s", highlight=False)
