"""Show a run's progress bar: loss, clips a second, share of time waiting for data, time left."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

BLANK: dict[str, Any] = {"loss": "–", "clips_per_s": 0.0, "waiting": 0.0}
"""The fields of a task before the first values."""


def progress_bar(*, shown: bool) -> Progress:
    """Make the progress bar; its tasks need the fields in `BLANK`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
        TextColumn("loss {task.fields[loss]}"),
        TextColumn("{task.fields[clips_per_s]:.1f} clips/s"),
        TextColumn("waited for data {task.fields[waiting]:.0%}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        disable=not shown,
    )
