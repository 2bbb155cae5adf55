"""What a live worker says of itself."""

from __future__ import annotations

from pydantic import BaseModel, Field

from mien.contract.results import ModelInfo


class ServedModel(ModelInfo):
    """A served bundle with what a client needs to read its answers."""

    labels: list[str] = Field(description="Expressions it tells apart; empty without that task.")
    dimensions: list[str] = Field(description="Affective dimensions it gives, each in [-1, 1].")
    traits: list[str] = Field(description="Personality traits it gives, each in [0, 1].")
    window_s: float = Field(description="Seconds of video in a window.")
    hop_s: float = Field(description="Seconds between the starts of two windows, unless asked otherwise.")
    licence: str
    intended_use: str
    trained_on: str = Field(
        default="", description="What the model learned from, in words; empty where its worker is older."
    )


class Models(BaseModel):
    """What the live workers serve."""

    models: list[ServedModel]
    workers: int


class Registration(BaseModel):
    """A worker's registration: what it serves, and how fast it has been of late."""

    name: str
    provider: str = Field(description="ONNX Runtime's execution provider.")
    models: list[ServedModel]
    bytes_per_s: float = Field(ge=0, description="Upload bytes worked off in a second of work; 0 where not known yet.")
