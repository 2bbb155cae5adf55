"""Look a job up by its id, and convert it to what users see."""

from __future__ import annotations

from datetime import UTC, datetime

from mien.contract.errors import Expired, NoSuchAnalysis
from mien.contract.results import Progress, Summary
from service.gateway.usecases.authenticate import public_id
from service.queue.jobs import Job, Jobs


async def look_up(jobs: Jobs, job_id: str) -> Job:
    """Return a job.

    Raises:
        NoSuchAnalysis: it never existed, or its tombstone has expired.
        Expired: it has expired or was deleted.
        QueueUnavailable: the queue does not answer.
    """
    found = await jobs.find(job_id)
    if found is None:
        raise NoSuchAnalysis("No analysis has this id. Ids are given by POST /analyze.")
    if not isinstance(found, Job):
        why = "was deleted" if found == "deleted" else "has expired"
        raise Expired(f"This analysis {why}. Upload the video again for a new one.")
    return found


def summary(job: Job) -> Summary:
    """Return a job as users see it, without its findings; fields that do not apply are unset."""
    seen = Summary(
        id=public_id(job.id),
        state=job.state,
        created_at=moment(job.created_ms),
        progress=Progress(done_s=job.done_s, total_s=job.total_s),
    )
    if job.expires_ms is not None:
        seen.expires_at = moment(job.expires_ms)
    if job.error is not None:
        seen.error = job.error
    return seen


def moment(unix_ms: int) -> datetime:
    """Convert Unix milliseconds, as the queue stores them, to a time."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
