"""The bundle: a folder with `manifest.json`, the ONNX graph and `MODEL_CARD.md`.

The manifest holds everything that a worker needs to know about a model. The graph takes uint8 RGB clips of shape
(B, T, H, W, 3) under `input.name` (B is free; the graph normalises them itself). It returns one named float32
output per task and the pooled embedding of shape (B, D):

    expression   (B, labels)      probabilities in [0, 1] that sum to 1
    dimensions   (B, dimensions)  values in each dimension's range
    personality  (B, traits)      scores in [0, 1]

A bundle may hold the graph in other precisions, too: its variants, with the same input and outputs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from mien.contract.errors import BundleRefused

MANIFEST = "manifest.json"
MODEL_CARD = "MODEL_CARD.md"
_GRAPH = r"^[\w.-]+\.onnx$"

TaskKind = Literal["expression", "dimensions", "personality"]

VariantPrecision = Literal["int8", "float16"]
"""`int8`: for processors, weights and matrix products in 8 bits. `float16`: for GPUs."""

Precision = Literal["float32", VariantPrecision, "bfloat16"]
"""`bfloat16` is no variant: OpenVINO computes the float32 graph in it."""

VARIANT_TOLERANCE = 0.01
"""Largest difference of a variant's probabilities and values from the float32 graph's, as a share of their range."""
VARIANT_SAME_LABEL = 0.995
"""Smallest share of clips with the same most probable expression."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _TaskPart(_Part):
    @property
    def names(self) -> tuple[str, ...]:
        """Names of the output's columns, in their order."""
        raise NotImplementedError

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each column, by its name."""
        return dict.fromkeys(self.names, (0.0, 1.0))


class ExpressionTask(_TaskPart):
    """Expression recognition: a probability for each label."""

    kind: Literal["expression"] = "expression"
    output: str = "expression"
    labels: tuple[str, ...] = Field(min_length=2, description="Labels in the order of the output's columns.")

    @property
    def names(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels


class Dimension(_Part):
    """One affective dimension and its range."""

    name: Literal["valence", "arousal", "dominance"]
    minimum: float = -1.0
    maximum: float = 1.0

    @model_validator(mode="after")
    def _has_a_range(self) -> Dimension:
        if not self.minimum < self.maximum:
            raise ValueError("minimum must be less than maximum")
        return self


class DimensionsTask(_TaskPart):
    """Affective dimensions: valence, arousal and dominance."""

    kind: Literal["dimensions"] = "dimensions"
    output: str = "dimensions"
    dimensions: tuple[Dimension, ...] = Field(
        min_length=1, description="Dimensions in the order of the output's columns."
    )
    levels: int | None = Field(
        default=None,
        ge=2,
        description="Classes per dimension in training, spread evenly over its range; the output is the expected "
        "value. Unset for a regression.",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions' names."""
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The dimensions' ranges, by their names."""
        return {dimension.name: (dimension.minimum, dimension.maximum) for dimension in self.dimensions}


class PersonalityTask(_TaskPart):
    """Apparent personality: how viewers would rate the person."""

    kind: Literal["personality"] = "personality"
    output: str = "personality"
    traits: tuple[str, ...] = Field(min_length=1, description="Traits in the order of the output's columns.")

    @property
    def names(self) -> tuple[str, ...]:
        """The traits."""
        return self.traits


Task = Annotated[ExpressionTask | DimensionsTask | PersonalityTask, Field(discriminator="kind")]


class ClipInput(_Part):
    """The graph's input: uint8 of shape (B, frames, size, size, 3)."""

    name: str = "clip"
    frames: PositiveInt = Field(description="Number of frames in a clip (T).")
    interval_s: PositiveFloat = Field(description="Seconds of media time between two consecutive frames of a clip.")
    size: PositiveInt = Field(description="Height and width in pixels.")
    layout: Literal["BTHWC"] = "BTHWC"
    colour: Literal["RGB"] = "RGB"
    mean: tuple[float, float, float] = Field(
        description="Channel means, which the graph subtracts from pixels in [0, 1]."
    )
    std: tuple[float, float, float] = Field(description="Channel standard deviations, by which the graph divides.")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of one clip, (T, H, W, 3)."""
        return self.frames, self.size, self.size, 3


class FaceCrop(_Part):
    """How a face is cropped before it is resized to the input's size."""

    shape: Literal["square"] = "square"
    margin: float = Field(ge=0, le=2, description="Margin on each side, as a share of the face box's longer side.")


class Training(_Part):
    """How the model was trained."""

    trained: bool
    data: str = Field(description="Description of the training data.")
    scores: dict[str, float] = Field(default_factory=dict, description="Metrics on held-out data, by name.")
    warnings: tuple[str, ...] = Field(
        default=(), description="Reasons not to trust the model, in sentences; every answer repeats them."
    )


class Parity(_Part):
    """Difference between the outputs of PyTorch and of ONNX Runtime, measured at export."""

    max_abs_difference: float = Field(ge=0)
    batch_sizes: tuple[PositiveInt, ...]


class VariantParity(_Part):
    """Difference between the outputs of a variant and of the float32 graph, measured at export."""

    max_abs_difference: float = Field(
        ge=0, description="Largest difference of a probability or a value, as a share of its range."
    )
    same_label: float = Field(
        ge=0, le=1, description="Share of the clips whose most probable expression is the same; 1 without expressions."
    )
    clips: PositiveInt = Field(description="Number of clips compared.")
    data: str = Field(description="Description of the clips.")


class Variant(_Part):
    """The graph in another precision."""

    precision: VariantPrecision
    graph: str = Field(pattern=_GRAPH)
    parity: VariantParity


class Manifest(_Part):
    """The content of `manifest.json`."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: str
    graph: str = Field(default="model.onnx", pattern=_GRAPH)
    variants: tuple[Variant, ...] = Field(default=(), description="The graph in other precisions.")
    input: ClipInput
    crop: FaceCrop
    hop_s: PositiveFloat = Field(description="Seconds from one window's start to the next's.")
    tasks: tuple[Task, ...] = Field(min_length=1)
    embedding: str = Field(default="embedding", description="Name of the output with the pooled embedding.")
    training: Training
    licence: str
    intended_use: str
    parity: Parity
    files: dict[str, str] = Field(description="SHA-256 of every file except the manifest, by file name.")

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        kinds = [task.kind for task in self.tasks]
        if len(set(kinds)) != len(kinds):
            raise ValueError("a bundle has each kind of task once at most")
        for task in self.tasks:
            if len(set(task.names)) != len(task.names):
                raise ValueError(f"the task {task.kind} has one of {', '.join(task.names)} twice")
        if len(self.graphs) <= len(self.variants):
            raise ValueError("a bundle has one variant of each precision at most")
        if len(set(self.graphs.values())) < len(self.graphs):
            raise ValueError("a variant has a file of its own")
        for graph in self.graphs.values():
            if graph not in self.files:
                raise ValueError(f"the graph {graph} is not among the files")
        return self

    @property
    def graphs(self) -> dict[Precision, str]:
        """Names of the graphs' files by precision, float32 first."""
        graphs: dict[Precision, str] = {"float32": self.graph}
        return graphs | {variant.precision: variant.graph for variant in self.variants}


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bundle(folder: Path) -> tuple[Manifest, str]:
    """Read and check a bundle; return its manifest and the manifest's SHA-256, which identifies the whole bundle.

    Raises:
        BundleRefused: the manifest is missing or not valid, or a file does not match its digest.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
        manifest = Manifest.model_validate_json(text)
    except OSError as error:
        raise BundleRefused(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise BundleRefused(f"{path} is not a manifest: {error}") from error
    for name, expected in manifest.files.items():
        file = folder / name
        if Path(name).name != name or not file.is_file():
            raise BundleRefused(f"{path} lists {name}, which is not in the folder.")
        if file_sha256(file) != expected:
            raise BundleRefused(f"{file} does not match {path}: its sha256 differs.")
    return manifest, hashlib.sha256(text).hexdigest()
