"""Update the metrics of the queue and the store."""

from __future__ import annotations

import asyncio
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
        used = most = nan
        failing = (await self.check()).failing
        for part in ("queue", "store"):
            TAKES.labels(part).set(part not in failing)
        try:
            used, most = await self.status.memory()
            if "queue" in failing:
                raise failing["queue"]
            QUEUE_DEPTH.set(await self.status.depth())
            QUEUE_AGE.set(await self.status.oldest_s())
            WORKERS.set(len(await self.status.workers()))
        except Unavailable:
            for gauge in (QUEUE_DEPTH, QUEUE_AGE, WORKERS):
                gauge.set(nan)
        REDIS_USED.set(used)
        REDIS_MOST.set(most)

    async def every(self) -> None:
        """Set the metrics every few seconds, until cancelled."""
        while True:
            await self()
            await asyncio.sleep(_EVERY_S)
