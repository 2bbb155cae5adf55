"""The answer: what `POST /analyze` and `GET /analyses/{id}` give.

All times are seconds of the video's own clock, from its start. Valence, arousal and dominance are in
[-1, 1], probabilities and traits in [0, 1]. A field that does not apply (a task that no bundle has, the
error of a job that did not fail) is left out: dump with `exclude_unset=True` and set no field to say "nothing".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mien.contract.bundle import TaskKind
from mien.contract.errors import Problem
from mien.contract.jobs import State

UnitInterval = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    # What a face shows must not get into a log by way of an error's text.
    model_config = ConfigDict(hide_input_in_errors=True)


class Expression(_Part):
    """Probabilities of the labels, and the label with the greatest."""

    label: str
    scores: dict[str, UnitInterval]


class Scores(_Part):
    """What a model says of a face; a task that is not served is unset."""

    expression: Expression | None = None
    valence: Signed | None = None
    arousal: Signed | None = None
    dominance: Signed | None = None


class Span(_Part):
    """A stretch of the video."""

    start_s: Seconds
    end_s: Seconds


class Window(Scores, Span):
    """Scores of one clip of a face."""

    quality: UnitInterval | None = Field(
        default=None,
        description="How well the face can be read, 0 to 1: low where it is small, dark, over-exposed, blurred, turned "
        "far aside or half hidden. Unset where its worker is older.",
    )


PathPoint = tuple[float, int, int, int, int]
"""A face's box: time in seconds, then left, top, width and height in pixels of the upright frame."""


class Sighting(_Part):
    """Who is seen, and when."""

    track: int = Field(ge=0, description="The person's number in this video, in order of appearance.")
    start_s: Seconds
    end_s: Seconds
    coverage: UnitInterval = Field(description="Share of all sampled frames that show this face.")


class Face(Scores, Sighting):
    """One person's face, followed as long as it can be seen."""

    personality: dict[str, UnitInterval] | None = None
    timeline: list[Window]
    path: list[PathPoint]


class Video(_Part):
    """The video as it was decoded, upright."""

    duration_s: Seconds
    fps: float | None = Field(description="Frames divided by duration; null for a single frame.")
    width: int
    height: int
    frames: int = Field(description="Frames decoded.")


class Progress(_Part):
    """Seconds of the video analysed, out of the total (null where the container does not say)."""

    done_s: Seconds
    total_s: Seconds | None


class ModelInfo(_Part):
    """A served bundle."""

    name: str
    version: str
    sha256: str
    trained: bool
    tasks: list[TaskKind]


class Timings(_Part):
    """Wall-clock milliseconds. `decode` and `inference` overlap; `total` runs from acceptance to the end."""

    queued: float
    decode: float
    inference: float
    total: float


class Findings(_Part):
    """What an analysis found out: the part of the answer that the worker writes."""

    video: Video
    faces: list[Face]
    models: list[ModelInfo]
    warnings: list[str]


class Summary(_Part):
    """An analysis in any state, without what it found out."""

    id: str
    state: State
    created_at: datetime
    expires_at: datetime | None = Field(
        default=None, description="When the result is erased; known once the analysis has ended."
    )
    progress: Progress
    error: Problem | None = None


class UploadSlot(BaseModel):
    """Where a video may be uploaded to, past the service: PUT its bytes to `url`."""

    id: str = Field(description="For `POST /uploads/{id}/analyze`, once the upload is done.")
    url: str = Field(description="Takes one PUT of the video's bytes.")
    expires_at: datetime = Field(description="When the URL stops taking it.")


class Page(_Part):
    """A page of the list of analyses."""

    analyses: list[Summary]
    next: str | None = Field(default=None, description="Send it as `cursor` for the next page; unset on the last.")


class Analysis(Summary):
    """An analysis in any state."""

    video: Video | None = None
    faces: list[Face] | None = None
    models: list[ModelInfo] | None = None
    warnings: list[str]
    timings_ms: Timings | None = None
