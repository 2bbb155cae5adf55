"""Average over a few steps: losses, clips a second, share of time spent waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor


class Meter:
    """Running means since the meter was created or last read."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._started = time.perf_counter()
        self._waited = 0.0
        self._batches = 0
        self._clips = 0
        self._sums: dict[str, Tensor] = {}  # on the device: to read them at each step would make it wait

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time spent inside as waiting for data."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    def add(self, losses: Mapping[str, Tensor], clips: int) -> None:
        """Add a batch."""
        self._batches += 1
        self._clips += clips
        for name, value in losses.items():
            kept = value.detach()
            self._sums[name] = self._sums[name] + kept if name in self._sums else kept

    def read(self) -> dict[str, float]:
        """Return the means and start anew: each loss, `clips_per_s`, and `waiting`, a share of the time."""
        means = {name: float(total) / self._batches for name, total in self._sums.items()}
        seconds = time.perf_counter() - self._started
        means |= {"clips_per_s": round(self._clips / seconds, 2), "waiting": round(self._waited / seconds, 4)}
        self._start()
        return means
