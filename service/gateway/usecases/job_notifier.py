"""Wake the requests that wait for a job when it changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from mien.contract.errors import QueueUnavailable
from service.queue.jobs import Jobs

log = structlog.get_logger()

# Publish/subscribe may drop a message: who waits looks this often all the same.
_LONGEST_S = 2.0


class JobSubscription:
    """One waiter's subscription. A notification is kept until it is waited for, so that none is missed in between."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify(self) -> None:
        """Wake the waiter, now or when it comes to wait."""
        self._notified.set()

    async def wait(self, most_s: float = _LONGEST_S) -> None:
        """Wait for a notification, for `most_s` or two seconds, whichever is less; then it is time to look."""
        try:
            async with asyncio.timeout(min(most_s, _LONGEST_S)):
                await self._notified.wait()
        except TimeoutError:
            return
        self._notified.clear()


class JobNotifier:
    """The subscriptions of one gateway, notified while `listen` runs. `draining`: every wait ends at once."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._subscriptions: defaultdict[str, set[JobSubscription]] = defaultdict(set)
        self.draining = False

    async def listen(self) -> None:
        """Notify the subscriptions of jobs that change, for ever."""
        while True:
            try:
                async for job_id in self._jobs.changed():
                    for subscription in self._subscriptions.get(job_id, ()):
                        subscription.notify()
            except QueueUnavailable:
                log.warning("queue unreachable, waits end by looking")
            await asyncio.sleep(1.0)

    def drain(self) -> None:
        """End all waits now, and every later one at once."""
        self.draining = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.notify()

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[JobSubscription]:
        """Subscribe to a job for as long as the block runs."""
        subscription = JobSubscription()
        self._subscriptions[job_id].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[job_id].discard(subscription)
            if not self._subscriptions[job_id]:
                del self._subscriptions[job_id]
