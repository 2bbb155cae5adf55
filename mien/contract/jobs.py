"""The states of a job.

    queued ─▶ running ─▶ succeeded
      ▲          │  └──▶ failed
      └──────────┘ (a failed attempt, or a worker that drains)

The Lua scripts in `service/queue` change the state. A cancelled job is erased and has no state.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self in (State.SUCCEEDED, State.FAILED)
