"""Report the models that are served and whether jobs can be accepted."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from mien.contract.errors import QueueUnavailable
from mien.contract.workers import Models
from service.gateway.usecases.health_check import Availability, HealthCheck
from service.gateway.usecases.job_notifier import JobNotifier, Stage
from service.queue.status import QueueStatus


class Readiness(BaseModel):
    """Jobs are accepted. `workers` are live; `waiting_for_store` of them wait for the blob store to work again."""

    status: str = Field(description="`ok`: jobs can be accepted.")
    queued: int = Field(description="Number of jobs that wait or run.")
    workers: int = Field(description="Number of live workers.")
    waiting_for_store: int = Field(default=0, description="Number of these that wait for the store to work again.")


@dataclass(frozen=True)
class ServiceStatus:
    """Report the status; `notifier` knows whether this gateway is shutting down."""

    queue: QueueStatus
    check: HealthCheck
    notifier: JobNotifier

    async def models(self) -> Models:
        """Return the models of live workers, by name and version; one that runs in two precisions comes twice.

        Raises:
            QueueUnavailable: the queue does not answer.
        """
        workers = await self.queue.workers()
        served = {(model.sha256, model.precision): model for worker in workers for model in worker.models}
        return Models(
            models=sorted(served.values(), key=lambda model: (model.name, model.version, model.precision)),
            workers=len(workers),
        )

    async def readiness(self) -> Readiness | Availability:
        """Return the length of the queue and the number of live workers, or what works where not all does.

        Raises:
            QueueUnavailable: the queue does not answer any more.
        """
        if self.notifier.stage > Stage.SERVING:
            return Availability({"gateway": QueueUnavailable("This gateway is shutting down.", 5)}, [])
        health = await self.check()
        if health.failing:
            return health
        workers = await self.queue.workers()
        return Readiness(
            status="ok",
            queued=await self.queue.depth(),
            workers=len(workers),
            waiting_for_store=sum(worker.waits_for_store for worker in workers),
        )
