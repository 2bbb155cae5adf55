"""Results of analyses: the responses of `POST /analyze` and `GET /analyses/{id}`.

All times are seconds of the video's own clock, from its start. Valence, arousal and dominance are in
[-1, 1], probabilities and traits in [0, 1]. A field that does not apply (a task that no bundle has, the error
of a job that did not fail) is left out: leave it unset and dump with `exclude_unset=True`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mien.contract.bundle import Precision, TaskKind
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

    label: str = Field(description="The most probable label.")
    scores: dict[str, UnitInterval] = Field(description="The probability of each label; they sum to 1.")


DIMENSIONS = ("valence", "arousal", "dominance")
"""The affective dimensions: fields of `Scores`."""


class Scores(_Part):
    """A model's scores for a face; unset for tasks that are not served."""

    expression: Expression | None = Field(default=None, description="Probabilities of the expressions.")
    valence: Signed | None = Field(default=None, description="From unpleasant, -1, to pleasant, 1.")
    arousal: Signed | None = Field(default=None, description="From calm, -1, to excited, 1.")
    dominance: Signed | None = Field(default=None, description="From submissive, -1, to dominant, 1.")


class Span(_Part):
    """A time range of the video."""

    start_s: Seconds = Field(description="Start in seconds of the video.")
    end_s: Seconds = Field(description="End in seconds of the video.")


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
    start_s: Seconds = Field(description="Start of the face's first appearance, in seconds of the video.")
    end_s: Seconds = Field(description="End of the face's last appearance, in seconds of the video.")
    coverage: UnitInterval = Field(description="Share of all sampled frames in which this face was found.")


class FacePicture(_Part):
    """A small picture of a face."""

    time_s: Seconds = Field(description="Time of the picture in seconds of the video.")
    jpeg: str = Field(description="The picture: a square JPEG in Base64.")


class Face(Scores, Sighting):
    """One person's face, tracked for as long as it is visible."""

    personality: dict[str, UnitInterval] | None = Field(
        default=None, description="Apparent personality traits by name."
    )
    timeline: list[Window] = Field(description="The scores of each window, by start.")
    path: list[PathPoint] = Field(
        description="The face's box over time: time in seconds, then left, top, width and height in pixels of the "
        "upright frame."
    )
    pictures: list[FacePicture] | None = Field(
        default=None, description="Small pictures of the face by time; only if the option `pictures` asked for them."
    )


class Video(_Part):
    """The video as it was decoded, upright."""

    duration_s: Seconds = Field(description="Duration in seconds.")
    fps: float | None = Field(description="Frames per second: frames divided by duration; null for a single frame.")
    width: int = Field(description="Width of the frames in pixels.")
    height: int = Field(description="Height of the frames in pixels.")
    frames: int = Field(description="Number of decoded frames.")
    track: int | None = Field(
        default=None,
        description="Number of the file's video track that was analysed, from 0. Unset if it has only one.",
    )


class Progress(_Part):
    """Seconds of the video analysed so far, and in total (null if the container does not give the duration)."""

    done_s: Seconds = Field(description="Seconds of the video analysed so far.")
    total_s: Seconds | None = Field(description="Seconds to analyse; null if the container does not say.")


class ModelInfo(_Part):
    """A served model."""

    name: str = Field(description="The bundle's name.")
    version: str = Field(description="The bundle's version.")
    sha256: str = Field(description="SHA-256 of the bundle's manifest, which identifies the whole bundle.")
    trained: bool = Field(description="Whether the weights were trained; scores of an untrained model mean nothing.")
    tasks: list[TaskKind] = Field(description="What the model predicts.")
    precision: Precision = Field(
        default="float32",
        description="Precision in which the model runs: `float32`, or another that is faster there.",
    )


class Timings(_Part):
    """Wall-clock milliseconds. `decode` and `inference` overlap; `total` runs from acceptance to the end."""

    queued: float = Field(description="Milliseconds in the queue.")
    decode: float = Field(description="Milliseconds spent waiting for decoding.")
    inference: float = Field(description="Milliseconds spent waiting for the models.")
    total: float = Field(description="Milliseconds from acceptance to the end.")


class Findings(_Part):
    """The findings of an analysis: the part of the result that the worker writes. The large part, faces, comes last."""

    video: Video
    models: list[ModelInfo]
    warnings: list[str]
    faces: list[Face]


class Summary(_Part):
    """An analysis in any state, without its findings."""

    id: str = Field(description="The analysis's id.")
    state: State = Field(description="The current state.")
    created_at: datetime = Field(description="Time at which the analysis was accepted.")
    expires_at: datetime | None = Field(
        default=None, description="Time at which the result is erased; set when the analysis has ended."
    )
    progress: Progress = Field(description="How much of the video is analysed.")
    error: Problem | None = Field(default=None, description="The error of an analysis that failed.")


class UploadSlot(BaseModel):
    """A presigned URL of the object store, to which a video can be uploaded."""

    id: str = Field(description="Id for `POST /uploads/{id}/analyze`, after the upload.")
    url: str = Field(description="URL that accepts one PUT request with the video's bytes.")
    expires_at: datetime = Field(description="Time at which the URL expires.")


class Page(_Part):
    """One page of the list of analyses."""

    analyses: list[Summary] = Field(description="The analyses, newest first.")
    next: str | None = Field(default=None, description="The `cursor` of the next page; unset on the last page.")


class Analysis(Summary):
    """An analysis in any state."""

    video: Video | None = Field(default=None, description="The video as it was decoded; set when it has succeeded.")
    faces: list[Face] | None = Field(default=None, description="The faces, one per person; set when it has succeeded.")
    models: list[ModelInfo] | None = Field(default=None, description="The models that scored the faces.")
    warnings: list[str] = Field(description="Sentences about what limits the result.")
    timings_ms: Timings | None = Field(default=None, description="How long each stage took.")
