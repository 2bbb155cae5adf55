"""Orders to a process to kill or stop itself at a step of its work: files, each taken by the first process that reaches
the step."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WORKER_STEPS = ("claimed", "begun", "reported", "stored", "committed", "erased")
"""A process may stop after each of them; `stored`: the result is in the store, but not committed."""
GATEWAY_STEPS = ("reserved", "uploaded", "accepted")
"""`uploaded`: the video is in the store, but not queued; `accepted`: the client has no response yet."""

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Taken(NamedTuple):
    """An order that was carried out, by whom and when (Unix time)."""

    what: str
    step: str
    pid: int
    at: float


def give(folder: Path, what: str, step: str) -> None:
    """Order the next process that reaches `step` to `kill` or `stop` itself there."""
    (folder / f"{step}.{what}").touch()


def carry_out(folder: Path, step: str) -> None:
    """Carry out an order for this step, if there is one."""
    for what, number in _SIGNALS.items():
        with suppress(FileNotFoundError):
            (folder / f"{step}.{what}").rename(folder / f"{step}.{what}.{os.getpid()}.{time.time_ns()}")
            os.kill(os.getpid(), number)


def taken(folder: Path) -> list[Taken]:
    """Return the orders that were carried out."""
    parts = [file.name.split(".") for file in folder.iterdir()]
    return [Taken(what, step, int(pid), int(at) / 1e9) for step, what, pid, at in (p for p in parts if len(p) == 4)]
