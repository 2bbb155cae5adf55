"""What a client may ask of one analysis, of a video or of frames as they come."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mien.contract.bundle import TaskKind

MAX_FACES = 32
MAX_TRACK = 99


class LiveOptions(BaseModel):
    """Options of a live analysis; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    faces: Annotated[int, Field(ge=1, le=MAX_FACES)] = Field(
        default=8, description="Maximum number of faces tracked at a time; the largest are preferred."
    )
    hop_s: Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Seconds from one window's start to the next's; default: the model's own.",
    )
    tasks: tuple[TaskKind, ...] | None = Field(
        default=None, min_length=1, description="Tasks to run; default: all that are served."
    )


class AnalyzeOptions(LiveOptions):
    """Options of `POST /analyze`."""

    start_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0, description="Start of the part to analyse, in seconds of the video."
    )
    end_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="End of the part to analyse, in seconds of the video; default: the video's end."
    )
    track: Annotated[int, Field(ge=0, le=MAX_TRACK)] | None = Field(
        default=None,
        description="Number of the file's video track to analyse, from 0; default: the one that shows faces at the "
        "start.",
    )
    pictures: bool = Field(
        default=False,
        description="Keep small pictures of the faces with the result, for players that cannot show the video. They "
        "are erased with the result.",
    )
    callback_url: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None,
        description="URL to POST to when the analysis has ended. The request is signed as in Standard Webhooks and "
        "retried six times within 18 hours.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> AnalyzeOptions:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError("end_s must be greater than start_s")
        return self
