"""Registrations of workers and the models that they serve."""

from __future__ import annotations

from pydantic import BaseModel, Field

from mien.contract.results import ModelInfo


class ServedModel(ModelInfo):
    """A served model, with what a client needs to interpret its results."""

    labels: list[str] = Field(description="Expression labels; empty if the model has no expression task.")
    dimensions: list[str] = Field(description="Affective dimensions that the model predicts, each in [-1, 1].")
    traits: list[str] = Field(description="Personality traits that the model predicts, each in [0, 1].")
    window_s: float = Field(description="Length of a window in seconds of video.")
    hop_s: float = Field(description="Seconds from one window's start to the next's, unless a request sets it.")
    licence: str = Field(description="The model's licence.")
    intended_use: str = Field(description="What the model is meant for.")
    trained_on: str = Field(
        default="", description="Description of the training data; empty if the worker is an older version."
    )


class Models(BaseModel):
    """The models that the live workers serve, and the number of these workers."""

    models: list[ServedModel] = Field(
        description="The models, by name and version; one for each precision in which it is served."
    )
    workers: int = Field(description="Number of live workers.")


class Registration(BaseModel):
    """A worker's registration: the models that it serves and its recent speed."""

    name: str
    provider: str = Field(description="ONNX Runtime's execution provider.")
    models: list[ServedModel]
    price_per_s: float = Field(
        default=0,
        ge=0,
        description="What was processed per second of work, in bytes and pixels (see `Attempt`); 0 if not yet known.",
    )
    waits_for_store: bool = Field(default=False, description="Whether jobs wait here for the blob store to work again.")
