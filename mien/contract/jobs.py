"""The states of a job.

    queued ─▶ running ─▶ succeeded
      ▲          │  └──▶ failed
      └──────────┘ (a broken attempt, or a worker that drains)

The scripts in `service/queue` make the moves; a job that is cancelled is erased.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self in (State.SUCCEEDED, State.FAILED)
