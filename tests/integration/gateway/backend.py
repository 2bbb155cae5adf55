"""A gateway's use cases and a worker's end of the queue over one queue and one store, without processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis

from mien.contract.options import AnalyzeOptions
from service.gateway.usecases.authenticate import NO_OWNER
from service.gateway.usecases.cancel import Cancel
from service.gateway.usecases.submit import Submit
from service.queue.admission import Admission, AdmissionLimits
from service.queue.connection import connect, connect_async
from service.queue.consumer import Consumer
from service.queue.erasure import Erasure
from service.queue.jobs import Jobs
from service.storage.blobs import Blobs

T = TypeVar("T")


class Backend:
    """A queue at a server, a store in a folder, and what gateways and workers do with them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.redis = connect(url)
        self.folder = folder / "blobs"
        self.blobs = Blobs(self.folder)
        self._url = url

    def run(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """Run `work(redis)` to its end."""

        async def over_connection() -> T:
            redis = connect_async(self._url)
            try:
                return await work(redis)
            finally:
                await redis.aclose()

        return asyncio.run(over_connection())

    def submit(
        self, content: bytes = b"some bytes", options: AnalyzeOptions | None = None, key: str | None = None
    ) -> str:
        async def video():
            yield content

        async def work(redis: Redis) -> str:
            limits = AdmissionLimits(10, 1000, 100)
            submit = Submit(Admission(redis), Jobs(redis), self.blobs, limits, 100, 30, lambda _: None)
            return await submit(NO_OWNER, video(), options or AnalyzeOptions(), key=key)

        return self.run(work)

    def find(self, job_id: str):
        return self.run(lambda redis: Jobs(redis).find(job_id))

    def delete(self, job_id: str) -> None:
        self.run(lambda redis: Cancel(Jobs(redis), self.blobs, Erasure(redis))(job_id))

    def consumer(self, *, lease_s: float = 30, max_attempts: int = 3, ttl_s: int = 3600) -> Consumer:
        return Consumer(
            self.redis, self.redis, name="w", lease_s=lease_s, max_attempts=max_attempts, results_ttl_s=ttl_s
        )

    @property
    def names(self) -> set[str]:
        """The names of all files in the store."""
        return {str(file.relative_to(self.folder)) for file in self.folder.rglob("*") if file.is_file()}
