"""The events of an analysis.

    began ─▶ progress, window, window, progress … ─▶ ended

If a worker dies or hands its job back, another one starts over: a second `began` makes the events of the first attempt
void. `snapshot` replaces events that are no longer kept; the result has all windows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from mien.contract.errors import Problem
from mien.contract.results import Progress, Summary, Window


class Began(BaseModel):
    """A worker starts the analysis; a later `attempt` starts over."""

    attempt: int = Field(ge=1)


class FaceWindow(Window):
    """Scores of one clip of one face."""

    track: int = Field(ge=0, description="Number of the person in this video, from 0, in order of appearance.")
    box: tuple[int, int, int, int] | None = Field(
        default=None,
        description="The face's box at the end of the window: left, top, width and height in pixels of the upright "
        "frame. Unset if the worker is an older version.",
    )


class Ended(BaseModel):
    """The analysis is over: its result can be read, or it failed with `error`, or it was erased."""

    state: Literal["succeeded", "failed", "cancelled"]
    expires_at: datetime | None = Field(default=None, description="Time at which the result is erased.")
    error: Problem | None = None


AnalysisEvent = Began | Progress | FaceWindow | Summary | Ended

NAMES: dict[type[AnalysisEvent], str] = {
    Began: "began",
    Progress: "progress",
    FaceWindow: "window",
    Summary: "snapshot",
    Ended: "ended",
}
"""The name of each event in the queue and in the APIs."""
