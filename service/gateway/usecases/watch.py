"""Watch an analysis: its events since a given one, then new events until its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from mien.contract.errors import InvalidOption, TooManyWatchers
from mien.contract.events import AnalysisEvent, Ended
from mien.contract.jobs import State
from service.gateway.usecases.job_notifier import JobNotifier, Stage
from service.gateway.usecases.lookup import look_up, moment, summary
from service.queue.events import EventId, StoredEvent
from service.queue.jobs import Job, Jobs


@dataclass(frozen=True)
class WatchedEvent:
    """An event of an analysis. A reader resumes after its `id`; None: the analysis is gone."""

    id: EventId | None
    what: AnalysisEvent


@dataclass
class Watch:
    """Read the events of analyses; while it waits, a watcher holds nothing but a subscription.

    Attributes:
        most: maximum number of watchers.
    """

    jobs: Jobs
    notifier: JobNotifier
    most: int
    _watching: int = 0

    async def open(
        self, job_id: str, after: str = "", until: Stage = Stage.DRAINING
    ) -> AsyncGenerator[WatchedEvent] | None:
        """Return the events after the one with the id `after` (from the first, where that is empty).

        They end with the analysis or, early, when this gateway's shutdown reaches the stage `until`. Returns None if
        `after` is the analysis's last event.

        Raises:
            NoSuchAnalysis, Expired: as for `look_up`.
            InvalidOption: the analysis has had no event `after`.
            QueueUnavailable: the queue does not answer; also raised between two events.
            TooManyWatchers: there are `most` already.
        """
        if self._watching >= self.most:
            raise TooManyWatchers("Too many clients are watching analyses. Try again later, or poll the analysis.", 5)
        job = await look_up(self.jobs, job_id)
        if not after:
            return self._events(job_id, None, until)
        try:
            seen = EventId.parse(after)
        except ValueError:
            seen = None
        if seen is not None and job.state.terminal and seen == _end(job):
            return None
        if seen is None or job.event is None or seen > job.event:
            raise InvalidOption("Last-Event-ID: this analysis has had no such event. Leave it out for all events.")
        return self._events(job_id, seen, until)

    async def _events(self, job_id: str, seen: EventId | None, until: Stage) -> AsyncGenerator[WatchedEvent]:
        self._watching += 1
        try:
            async with aclosing(self._read_events(job_id, seen, until)) as events:
                async for event in events:
                    yield event
        finally:
            self._watching -= 1

    async def _read_events(self, job_id: str, seen: EventId | None, until: Stage) -> AsyncGenerator[WatchedEvent]:
        while self.notifier.stage < until:
            with self.notifier.subscribe(job_id) as subscription:
                job, events = await self._look(job_id, seen)
                if isinstance(job, Job) and not events and not job.state.terminal:
                    await subscription.wait()
                    continue
            if not isinstance(job, Job):
                if job == "deleted":
                    yield WatchedEvent(None, Ended(state="cancelled"))
                return
            for event in events:
                if not _adjoin(seen, event.id):
                    yield WatchedEvent(event.id._replace(number=event.id.number - 1), summary(job))
                yield WatchedEvent(event.id, event.what)
                seen = event.id
            if not events:
                if seen != job.event:
                    yield WatchedEvent(job.event, summary(job))
                yield WatchedEvent(_end(job), _ended(job))
                return

    async def _look(
        self, job_id: str, seen: EventId | None
    ) -> tuple[Job | Literal["expired", "deleted"] | None, list[StoredEvent]]:
        # The job is read first: once it has ended, no event follows.
        return await self.jobs.find(job_id), await self.jobs.events(job_id, seen)


def _adjoin(seen: EventId | None, following: EventId) -> bool:
    # An attempt's first event makes all earlier ones void.
    return following.number == 0 or (seen is not None and following == seen._replace(number=seen.number + 1))


def _end(job: Job) -> EventId:
    """Return the id of an ended job's last event, which follows from the job's state and is stored nowhere."""
    return EventId(job.fence + 1, 0)


def _ended(job: Job) -> Ended:
    ended = Ended(state="succeeded" if job.state is State.SUCCEEDED else "failed")
    if job.expires_ms is not None:
        ended.expires_at = moment(job.expires_ms)
    if job.error is not None:
        ended.error = job.error
    return ended
