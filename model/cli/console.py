"""Progress bars of long commands, on stderr."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def clips_bar(console: Console) -> Progress:
    """Return a progress bar that counts clips and estimates the time left."""
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"))
    return Progress(*parts, TimeElapsedColumn(), TimeRemainingColumn(), console=console)


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
