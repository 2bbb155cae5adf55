"""Look an analysis up, wait for its end, and show it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mien.contract.errors import Expired
from mien.contract.jobs import State
from mien.contract.results import Analysis, Timings
from service.gateway.findings import StoredFindings
from service.gateway.usecases.job_notifier import JobNotifier, Stage
from service.gateway.usecases.lookup import look_up, summary
from service.queue.jobs import Job, Jobs
from service.storage.blobs import Blobs


@dataclass(frozen=True)
class Follow:
    """Read analyses and wait for their end; the notifier ends a wait at once."""

    jobs: Jobs
    blobs: Blobs
    notifier: JobNotifier

    async def job(self, job_id: str, wait_s: float = 0.0) -> Job:
        """Return a job when it has ended, or after `wait_s` seconds.

        Raises:
            NoSuchAnalysis, Expired, QueueUnavailable: as for `look_up`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        with self.notifier.subscribe(job_id) as subscription:
            while True:
                job = await look_up(self.jobs, job_id)
                left = deadline - loop.time()
                if job.state.terminal or left <= 0 or self.notifier.stage >= Stage.DRAINING:
                    return job
                await subscription.wait(left)

    def present(self, job: Job) -> Analysis:
        """Return a job as users see it, without its findings."""
        known = summary(job)
        analysis = Analysis(**{name: getattr(known, name) for name in known.model_fields_set}, warnings=[])
        if _has_findings(job):
            analysis.timings_ms = _timings(job)
        return analysis

    async def findings(self, job: Job) -> StoredFindings | None:
        """Return a job's findings, if it has any.

        Raises:
            Expired: the result was erased a moment ago.
            StorageUnavailable: the result cannot be read.
        """
        if not _has_findings(job):
            return None
        with _reading():
            content = await self.blobs.read(str(job.result))
        return await asyncio.to_thread(StoredFindings, content)

    async def findings_json(self, job: Job) -> tuple[int, AsyncIterator[bytes]] | None:
        """Return the size of a job's findings as JSON and the JSON, an object, in pieces; None if it has no findings.

        Raises:
            Expired, StorageUnavailable: as for `findings`.
        """
        if not _has_findings(job):
            return None
        with _reading():
            return await self.blobs.stream(str(job.result))


def _has_findings(job: Job) -> bool:
    return job.state is State.SUCCEEDED and job.result is not None


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Expired("This analysis was erased. Upload the video again for a new one.") from error


def _timings(job: Job) -> Timings:
    started_ms, ended_ms = job.started_ms or job.created_ms, job.ended_ms or job.created_ms
    return Timings(
        queued=started_ms - job.created_ms,
        decode=job.decode_ms or 0.0,
        inference=job.inference_ms or 0.0,
        total=ended_ms - job.created_ms,
    )
