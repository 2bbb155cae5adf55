"""Results of analyses: the responses of `POST /analyze` and `GET /analyses/{id}`.

All times are seconds of the video's own clock, from its start. Valence, arousal and dominance are in
[-1, 1], probabilities and traits in [0, 1]. A field that does not apply (a task that no bundle has, the error
of a job that did not fail) is left out: leave it unset and dump with `exclude_unset=True`.
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
    # Validation errors are logged, and scores are personal data.
    model_config = ConfigDict(hide_input_in_errors=True)


class Expression(_Part):
    """Probabilities of all expression labels, and the most probable label."""

    label: str
    scores: dict[str, UnitInterval]


class Scores(_Part):
    """A model's scores for a face; unset for tasks that are not served."""

    expression: Expression | None = None
    valence: Signed | None = None
    arousal: Signed | None = None
    dominance: Signed | None = None


class Span(_Part):
    """A time range of the video."""

    start_s: Seconds
    end_s: Seconds


class Window(Scores, Span):
    """Scores of one window of a face."""

    quality: UnitInterval | None = Field(
        default=None,
        description="Quality of the face image, from 0 to 1: low if the face is small, dark, over-exposed, blurred, "
        "turned far aside or partly hidden. Unset if the worker is an older version.",
    )


PathPoint = tuple[float, int, int, int, int]
"""A face's box: time in seconds, then left, top, width and height in pixels of the upright frame."""


class Sighting(_Part):
    """A person who appears in the video, and when."""

    track: int = Field(ge=0, description="Number of the person in this video, from 0, in order of appearance.")
    start_s: Seconds
    end_s: Seconds
    coverage: UnitInterval = Field(description="Share of all sampled frames in which this face was found.")


class Face(Scores, Sighting):
    """One person's face, tracked for as long as it is visible."""

    personality: dict[str, UnitInterval] | None = None
    timeline: list[Window]
    path: list[PathPoint]


class Video(_Part):
    """The video as it was decoded, upright."""

    duration_s: Seconds
    fps: float | None = Field(description="Frames per second: frames divided by duration; null for a single frame.")
    width: int
    height: int
    frames: int = Field(description="Number of decoded frames.")


class Progress(_Part):
    """Seconds of the video analysed so far, and in total (null if the container does not give the duration)."""

    done_s: Seconds
    total_s: Seconds | None


class ModelInfo(_Part):
    """A served model."""

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
    """The findings of an analysis: the part of the result that the worker writes."""

    video: Video
    faces: list[Face]
    models: list[ModelInfo]
    warnings: list[str]


class Summary(_Part):
    """An analysis in any state, without its findings."""

    id: str
    state: State
    created_at: datetime
    expires_at: datetime | None = Field(
        default=None, description="Time at which the result is erased; set when the analysis has ended."
    )
    progress: Progress
    error: Problem | None = None


class UploadSlot(BaseModel):
    """A presigned URL of the object store, to which a video can be uploaded."""

    id: str = Field(description="Id for `POST /uploads/{id}/analyze`, after the upload.")
    url: str = Field(description="URL that accepts one PUT request with the video's bytes.")
    expires_at: datetime = Field(description="Time at which the URL expires.")


class Page(_Part):
    """One page of the list of analyses."""

    analyses: list[Summary]
    next: str | None = Field(default=None, description="The `cursor` of the next page; unset on the last page.")


class Analysis(Summary):
    """An analysis in any state."""

    video: Video | None = None
    faces: list[Face] | None = None
    models: list[ModelInfo] | None = None
    warnings: list[str]
    timings_ms: Timings | None = None
