"""Update the metrics of the queue and the store."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from math import nan

from mien.contract.errors import Unavailable
from service.gateway.metrics import QUEUE_AGE, QUEUE_DEPTH, REDIS_MOST, REDIS_USED, TAKES, WORKERS
from service.gateway.usecases.health_check import HealthCheck
from service.queue.status import QueueStatus

_EVERY_S = 5.0


@dataclass(frozen=True)
class UpdateMetrics:
    """Update the metrics.

    If the queue does not answer, its metrics are NaN; if it accepts no writes, all of them but its memory are.
    """

    status: QueueStatus
    check: HealthCheck

    async def __call__(self) -> None:
        """Set the metrics of the queue and the store."""
        values = dict.fromkeys((QUEUE_DEPTH, QUEUE_AGE, WORKERS, REDIS_USED, REDIS_MOST), nan)
        failing = (await self.check()).failing
        for part in ("queue", "store"):
            TAKES.labels(part).set(part not in failing)
        with suppress(Unavailable):
            values[REDIS_USED], values[REDIS_MOST] = await self.status.memory()
            if "queue" not in failing:
                depth, age_s = await self.status.depth(), await self.status.oldest_s()
                workers = len(await self.status.workers())
                values |= {QUEUE_DEPTH: depth, QUEUE_AGE: age_s, WORKERS: workers}  # all of them, or none
        for gauge, value in values.items():
            gauge.set(value)

    async def every(self) -> None:
        """Set the metrics every few seconds, until cancelled."""
        while True:
            await self()
            await asyncio.sleep(_EVERY_S)
