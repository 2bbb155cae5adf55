"""Orders to kill or stop oneself at a step of one's work: files, of which each is taken by the first who gets there."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WORKER_STEPS = ("claimed", "begun", "reported", "stored", "committed", "erased")
"""After each of them; `stored` is when the result lies in the store, before it is committed."""
GATEWAY_STEPS = ("reserved", "uploaded", "accepted")
"""`uploaded` is when the video lies in the store, before it is queued; `accepted` is before the client hears of it."""

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Taken(NamedTuple):
    """An order that was carried out, by whom and when (Unix time)."""

    what: str
    step: str
    pid: int
    at: float


def give(folder: Path, what: str, step: str) -> None:
    """Order the next process that comes to `step` to `kill` or `stop` itself there."""
    (folder / f"{step}.{what}").touch()


def carry_out(folder: Path, step: str) -> None:
    """Carry an order for this step out, if there is one."""
    for what, number in _SIGNALS.items():
        with suppress(FileNotFoundError):
            (folder / f"{step}.{what}").rename(folder / f"{step}.{what}.{os.getpid()}.{time.time_ns()}")
            os.kill(os.getpid(), number)


def taken(folder: Path) -> list[Taken]:
    """Return the orders that were carried out."""
    parts = [file.name.split(".") for file in folder.iterdir()]
    return [Taken(what, step, int(pid), int(at) / 1e9) for step, what, pid, at in (p for p in parts if len(p) == 4)]
