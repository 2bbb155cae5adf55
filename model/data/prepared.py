"""Read and write prepared datasets: the folder that `mien-model prepare` makes and training reads.

    dataset.json    `Prepared`: the tasks, the parts, how clips are sampled
    clips.csv       `ClipRow`: one row a clip, with its labels
    clips/          the clips themselves where faces had to be cropped, or shards/ of them (tar)

A clip is a video file of a cropped face or a part of one, a folder of such frames in the order of their names, or a
still: one picture, in a file or in an array of pictures (`model.data.media`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from mien.contract.bundle import FaceCrop
from model.errors import ModelError
from model.tasks.learnt import LearntTask

DATASET_FILE = "dataset.json"
CLIPS_FILE = "clips.csv"


class Region(BaseModel):
    """The part of every picture that shows the face, where a dataset has all faces at the same place; in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: NonNegativeInt
    top: NonNegativeInt
    width: PositiveInt
    height: PositiveInt

    def of(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut the part out of a picture (H, W, 3)."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


class Prepared(BaseModel):
    """`dataset.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    tasks: tuple[LearntTask, ...] = Field(description="Empty for a dataset without labels.")
    protocol: Literal["folds", "fixed"] = Field(
        description="folds: each part is the test part once; fixed: parts are train, perhaps validation, and test."
    )
    parts: tuple[str, ...]
    interval_s: PositiveFloat = Field(description="Seconds between two frames of a clip.")
    crop: FaceCrop = Field(description="How the faces are cut out in what `clips.csv` names.")
    region: Region | None = Field(None, description="What of each picture is used; null for all of it.")
    fit: Literal["middle", "squeeze"] = Field(
        "middle", description="What becomes of pictures that are not square: cut to their middle, or squeezed."
    )
    shards: bool = Field(False, description="Whether clips lie in tar shards under shards/, not in files of their own.")


class ClipRow(BaseModel):
    """A row of `clips.csv`; an absent label is an empty cell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    media: str = Field(
        description="The video file, frame folder or picture; relative paths start at the prepared folder."
    )
    fps: float | None = Field(None, gt=0, description="Frames a second of a frame folder; a video file has a clock.")
    start_s: float = Field(0, ge=0, description="Where in the media the clip begins, in seconds.")
    end_s: float | None = Field(None, gt=0, description="And where it ends; the media's end if empty.")
    subject: str = Field("", description="Who is seen, where the dataset says; a subject is in one part only.")
    part: str
    groups: str | None = Field(
        None,
        pattern=r"^[^\s=]+=[^\s=]+( [^\s=]+=[^\s=]+)*$",
        description="Groups that the person belongs to, scored apart: `skin=dark age=older`, with spaces between.",
    )
    expression: str | None = None
    votes: str | None = Field(
        None, description="How many viewers chose each expression, in the task's order, with spaces between."
    )
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    openness: float | None = None
    conscientiousness: float | None = None
    extraversion: float | None = None
    agreeableness: float | None = None
    neuroticism: float | None = None
    units: str | None = Field(
        None, description="Strengths of FACS units, 0–1, in the task's order, with spaces between."
    )
    landmarks: str | None = Field(None, description="The face's shape, likewise: see `model.render.labels.landmarks`.")


def write_prepared(folder: Path, prepared: Prepared) -> None:
    """Write `dataset.json`."""
    (folder / DATASET_FILE).write_text(prepared.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_prepared(folder: Path) -> Prepared:
    """Read `dataset.json`.

    Raises:
        ModelError: it is missing or wrong.
    """
    path = folder / DATASET_FILE
    try:
        return Prepared.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path} cannot be read: make the folder with `mien-model prepare`.") from error
    except ValidationError as error:
        raise ModelError(f"{path} is not what `mien-model prepare` writes: {_first(error)}.") from error


def write_rows(folder: Path, rows: Iterable[ClipRow]) -> None:
    """Write `clips.csv`."""
    with (folder / CLIPS_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(ClipRow.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.model_dump() for row in rows)


def read_rows(folder: Path) -> Sequence[ClipRow]:
    """Read `clips.csv`.

    Raises:
        ModelError: it is missing or wrong.
    """
    path = folder / CLIPS_FILE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            return [ClipRow.model_validate({k: v for k, v in row.items() if v != ""}) for row in reader]
    except OSError as error:
        raise ModelError(f"{path} cannot be read: make the folder with `mien-model prepare`.") from error
    except ValidationError as error:
        raise ModelError(f"{path}, line {reader.line_num}: {_first(error)}.") from error


def _first(error: ValidationError) -> str:
    """Describe the first validation error briefly."""
    what = error.errors()[0]
    return f"{'.'.join(map(str, what['loc']))}: {what['msg']}"
