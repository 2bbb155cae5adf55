"""Wake the requests that wait for a job when it changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import structlog

from mien.contract.errors import QueueUnavailable
from service.queue.jobs import Jobs

log = structlog.get_logger()

# Publish/subscribe may lose a message, so waiters also poll this often.
_LONGEST_S = 2.0


class Stage(IntEnum):
    """The stages of a gateway's shutdown, in order."""

    SERVING = 0
    LEAVING = 1
    """It reports that it is not ready, so that load balancers send it no more requests; everything works as before."""
    DRAINING = 2
    """Waiting requests and HTTP streams end at once: both have a response that says how to continue."""
    ENDING = 3
    """gRPC streams, which can only end with an error, end as well."""


class JobSubscription:
    """One waiter's subscription. A notification is kept until it is waited for, so that none is missed in between."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify(self) -> None:
        """Wake the waiter, now or when it waits next."""
        self._notified.set()

    async def wait(self, most_s: float = _LONGEST_S) -> None:
        """Wait for a notification, at most `most_s` and at most two seconds; then the caller polls."""
        try:
            async with asyncio.timeout(min(most_s, _LONGEST_S)):
                await self._notified.wait()
        except TimeoutError:
            return
        self._notified.clear()


class JobNotifier:
    """The subscriptions of one gateway, notified while `listen` runs, and the stage that says who may wait."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._subscriptions: defaultdict[str, set[JobSubscription]] = defaultdict(set)
        self.stage = Stage.SERVING
        self._left = asyncio.Event()

    async def listen(self) -> None:
        """Notify the subscriptions of jobs that change, until cancelled."""
        while True:
            try:
                async for job_id in self._jobs.changed():
                    for subscription in self._subscriptions.get(job_id, ()):
                        subscription.notify()
            except QueueUnavailable:
                log.warning("queue unreachable, waits end by looking")
            await asyncio.sleep(1.0)

    def enter(self, stage: Stage) -> None:
        """Enter a stage and wake all waiters, so that those end that may not wait any longer."""
        self.stage = max(self.stage, stage)
        self._left.set()
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.notify()

    async def shutdown_begun(self) -> None:
        """Wait until the gateway begins to shut down."""
        await self._left.wait()

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[JobSubscription]:
        """Subscribe to a job for the duration of the block."""
        subscription = JobSubscription()
        self._subscriptions[job_id].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[job_id].discard(subscription)
            if not self._subscriptions[job_id]:
                del self._subscriptions[job_id]
