from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def by_turns(actions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Run all actions in turns, and return the median seconds of each."""
    seconds: list[list[float]] = [[] for _ in actions]
    for _ in range(repeats):
        for action, taken in zip(actions, seconds, strict=True):
            started = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in seconds]
