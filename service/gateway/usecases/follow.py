"""Look an analysis up, and wait for its end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime

import structlog

from service.contract.errors import Expired, NoSuchAnalysis, QueueUnavailable
from service.contract.jobs import State
from service.contract.results import Analysis, Findings, Progress, Timings
from service.queue.producer import Job, Producer
from service.storage.blobs import Blobs

log = structlog.get_logger()

# Publish/subscribe may drop a message: the hash is looked at this often all the same.
_LOOK_EVERY_S = 2.0


class Follow:
    """The use case; `listen` must run beside it for waits to end at once."""

    def __init__(self, producer: Producer, blobs: Blobs) -> None:
        self._producer = producer
        self._blobs = blobs
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._draining = False

    async def listen(self) -> None:
        """Wake the waits whose jobs end, for ever."""
        while True:
            try:
                async for job_id in self._producer.ended():
                    for event in self._waiting.get(job_id, ()):
                        event.set()
            except QueueUnavailable:
                log.warning("queue unreachable, waits end by looking")
            await asyncio.sleep(1.0)

    def drain(self) -> None:
        """End all waits now, and every later one at once."""
        self._draining = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def job(self, job_id: str, wait_s: float = 0.0) -> Job:
        """Return a job, at its end or when `wait_s` seconds are over.

        Raises:
            NoSuchAnalysis: there never was one, or not in living memory.
            Expired: it is over, or was deleted.
            QueueUnavailable: the queue does not answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        event = asyncio.Event()
        self._waiting[job_id].add(event)
        try:
            while True:
                job = await self._find(job_id)
                left = deadline - loop.time()
                if job.state.terminal or left <= 0 or self._draining:
                    return job
                event.clear()
                try:
                    async with asyncio.timeout(min(left, _LOOK_EVERY_S)):
                        await event.wait()
                except TimeoutError:
                    continue
        finally:
            self._waiting[job_id].discard(event)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def present(self, job: Job) -> Analysis:
        """Return the analysis as users see it, with its findings where there are any.

        Raises:
            Expired: the result was erased a moment ago.
            StorageUnavailable: the result cannot be read.
        """
        analysis = Analysis(
            id=job.id,
            state=job.state,
            created_at=_moment(job.created_ms),
            progress=Progress(done_s=job.done_s, total_s=job.total_s),
            warnings=[],
        )
        if job.expires_ms is not None:
            analysis.expires_at = _moment(job.expires_ms)
        if job.error is not None:
            analysis.error = job.error
        if job.state is State.SUCCEEDED and job.result is not None:
            findings = await self._findings(job.result)
            analysis.video, analysis.faces = findings.video, findings.faces
            analysis.models, analysis.warnings = findings.models, findings.warnings
            analysis.timings_ms = _timings(job)
        return analysis

    async def _find(self, job_id: str) -> Job:
        found = await self._producer.find(job_id)
        if found is None:
            raise NoSuchAnalysis("No analysis has this id. Ids are given by POST /analyze.")
        if not isinstance(found, Job):
            why = "was deleted" if found == "deleted" else "is past its time to live and was erased"
            raise Expired(f"This analysis {why}. Upload the video again for a new one.")
        return found

    async def _findings(self, name: str) -> Findings:
        try:
            content = await self._blobs.read(name)
        except FileNotFoundError as error:
            raise Expired("This analysis was erased. Upload the video again for a new one.") from error
        # An hour of several faces is megabytes of JSON: not on the event loop.
        return await asyncio.to_thread(Findings.model_validate_json, content)


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)


def _timings(job: Job) -> Timings:
    started_ms, ended_ms = job.started_ms or job.created_ms, job.ended_ms or job.created_ms
    return Timings(
        queued=started_ms - job.created_ms,
        decode=job.decode_ms or 0.0,
        inference=job.inference_ms or 0.0,
        total=ended_ms - job.created_ms,
    )
