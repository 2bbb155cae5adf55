"""Bells at jobs: who waits for something to happen to a job is woken when it does."""

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


class Bell:
    """One waiter's bell. It rings until it is heard, so that nothing between looking and waiting is missed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, now or when it comes to wait."""
        self._rung.set()

    async def heard(self, most_s: float = _LONGEST_S) -> None:
        """Wait for a ring, for `most_s` or two seconds, whichever is less; then it is time to look."""
        try:
            async with asyncio.timeout(min(most_s, _LONGEST_S)):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()


class Bells:
    """The bells of one gateway; `listen` must run beside for them to ring. `draining`: nobody shall wait any more."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._bells: defaultdict[str, set[Bell]] = defaultdict(set)
        self.draining = False

    async def listen(self) -> None:
        """Ring the bells at the jobs that something happens to, for ever."""
        while True:
            try:
                async for job_id in self._jobs.changed():
                    for bell in self._bells.get(job_id, ()):
                        bell.ring()
            except QueueUnavailable:
                log.warning("queue unreachable, waits end by looking")
            await asyncio.sleep(1.0)

    def drain(self) -> None:
        """End all waits now, and every later one at once."""
        self.draining = True
        for bells in self._bells.values():
            for bell in bells:
                bell.ring()

    @contextmanager
    def at(self, job_id: str) -> Iterator[Bell]:
        """Hang up a bell at a job for as long as the block runs."""
        bell = Bell()
        self._bells[job_id].add(bell)
        try:
            yield bell
        finally:
            self._bells[job_id].discard(bell)
            if not self._bells[job_id]:
                del self._bells[job_id]
