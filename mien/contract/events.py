"""What happens to an analysis, told as it happens.

    began ─▶ progress, window, window, progress … ─▶ ended

A worker that dies or hands its job back is followed by another, which begins again: after a second `began`, what the
first attempt told is void. `snapshot` stands in for events that are no longer kept; the result has all windows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from mien.contract.errors import Problem
from mien.contract.results import Progress, Summary, Window


class Began(BaseModel):
    """A worker begins the analysis; where `attempt` is not the first, it begins again from the start."""

    attempt: int = Field(ge=1)


class FaceWindow(Window):
    """Scores of one clip of one face."""

    track: int = Field(ge=0, description="The person's number in this video, in order of appearance.")


class Ended(BaseModel):
    """The analysis is over: its result can be read, or it failed with `error`, or it was erased."""

    state: Literal["succeeded", "failed", "cancelled"]
    expires_at: datetime | None = Field(default=None, description="When the result is erased.")
    error: Problem | None = None


Happening = Began | Progress | FaceWindow | Summary | Ended

NAMES: dict[type[Happening], str] = {
    Began: "began",
    Progress: "progress",
    FaceWindow: "window",
    Summary: "snapshot",
    Ended: "ended",
}
"""What each is called, in the queue and at the doors."""
