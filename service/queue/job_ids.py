"""Job ids: the public id of an analysis, after the id of the API key that it was sent with, if there was one."""

from __future__ import annotations


def owner_of(job_id: str) -> str:
    """Return the id of the API key that a job was sent with, or ""."""
    return job_id.rpartition("-")[0]
