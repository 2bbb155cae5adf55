"""Read recipes: YAML files with typed keys, all documented here.

The command line overrides values by key, for example `learning_rate=1e-4` or `data.0.folder=prepared/voxceleb2`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from model.errors import ModelError

RATE_BATCH = 256
"""Learning rates are given for this batch size and scaled linearly to the run's, as in the paper."""

SizeName = Literal["base", "small", "tiny", "tiny-vit", "tiny-linear"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """A prepared dataset to train on."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)  # folds are called 1, 2 …

    folder: Path = Field(description="A folder that `mien-model prepare` wrote.")
    test: str | None = Field(
        None,
        description="The part excluded from training and validation; required for datasets with folds, else `test`.",
    )
    shards: str | None = Field(
        None,
        description="Object storage that the tar files of the folder's `shards` were copied to, for example "
        "s3://bucket/voxceleb2; their indexes stay in the folder.",
    )
    times: NonNegativeInt = Field(
        1,
        description="Repetitions of each training clip in an epoch; 0: none is trained on, and only clips that are "
        "held out for validation are used.",
    )


class ClipShape(_Part):
    """The shape of the encoder's input clips."""

    frames: PositiveInt = Field(
        16, multiple_of=8, description="Frames of a clip, a multiple of 8 (tubelets and pyramids divide by it)."
    )
    size: PositiveInt = Field(160, multiple_of=16, description="Height and width in pixels.")


_Beta = Annotated[float, Field(ge=0, lt=1)]


class Recipe(_Part):
    """Define the settings that all runs share."""

    out: Path = Field(description="The run's folder; a stopped run resumes from the checkpoint in it.")
    data: tuple[Source, ...] = Field(min_length=1)
    clip: ClipShape = ClipShape()

    epochs: PositiveInt = Field(description="Passes over the training clips.")
    warmup_epochs: NonNegativeFloat = Field(
        allow_inf_nan=False, description="Epochs over which the learning rate rises linearly."
    )
    batch: PositiveInt = Field(description="Batch size: clips per step, over all devices.")
    batch_on_device: PositiveInt = Field(
        description="Micro-batch: clips that a device processes at once; gradients are accumulated over the rest."
    )
    learning_rate: PositiveFloat = Field(description=f"Peak learning rate for a batch of {RATE_BATCH}.")
    end_learning_rate: NonNegativeFloat = Field(
        description="Learning rate after the last step, not scaled to the batch."
    )
    betas: tuple[_Beta, _Beta] = Field(description="Betas of AdamW.")
    muon_scale: PositiveFloat | None = Field(
        None,
        description="Muon's learning rate for the blocks' matrices as a multiple of AdamW's; unset: AdamW only.",
    )
    weight_decay: NonNegativeFloat = Field(
        0.05, description="Weight decay of all parameters but biases, norms and the mask token."
    )

    clip_gradients: PositiveFloat | None = Field(
        None, description="Greatest norm of a step's gradients, which are scaled down to it; unset: no clipping."
    )
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Decay of an exponential moving average of the weights, which is validated and kept, for example "
        "0.9999; unset: the weights themselves.",
    )
    compile: bool = Field(False, description="Compile the model with torch.compile; it takes minutes at the start.")
    recompute: bool = Field(
        False,
        description="Activation checkpointing: compute each block again in the backward pass instead of keeping what "
        "it computed; less memory, about a third more time.",
    )
    keep_every: PositiveInt | None = Field(
        None, description="Epochs between checkpoints that are kept, as epoch_0010.pt; unset: only the last is."
    )

    precision: Literal["no", "bf16"] = Field("no", description="Mixed precision: bf16, or no for float32.")
    seed: NonNegativeInt = Field(
        0, description="Seed of all that is random: initial weights, order of clips, masks, augmentation."
    )
    hold: bool = Field(False, description="Keep decoded clips in memory; needs rows that are no longer than one clip.")
    workers: NonNegativeInt = Field(2, description="Data loader processes for each device.")
    log_every: PositiveInt = Field(10, description="Steps between two log entries.")
    wandb: str | None = Field(
        None, description="Project of Weights & Biases to log to as well; needs its package, wandb."
    )

    @model_validator(mode="before")
    @classmethod
    def _rename_earlier_keys(cls, values: dict[str, Any]) -> dict[str, Any]:
        return renamed(values)

    @classmethod
    def as_now(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return an earlier run's settings with the defaults of keys that are newer than it."""
        try:
            return cls.model_validate(config).model_dump(mode="json")
        except ValidationError:
            return config

    @model_validator(mode="after")
    def _trains_on_something(self) -> Self:
        if not any(source.times for source in self.data):
            raise ValueError("every dataset of the key data has times: 0, so there is nothing to train on")
        return self

    @property
    def peak_rate(self) -> float:
        """Peak learning rate for this run's batch."""
        return self.learning_rate * self.batch / RATE_BATCH


_EARLIER_KEYS = {"hidden_share": "mask_ratio"}
"""Keys of older recipes and checkpoints, and their present names."""

UNESSENTIAL = frozenset(
    {"out", "workers", "hold", "log_every", "checkpoint_every", "keep_every", "wandb", "compile", "recompute"}
)
"""Keys that may differ when a run is resumed."""

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def read_recipe(name: str, overrides: Sequence[str], kind: type[AnyRecipe]) -> AnyRecipe:
    """Read a recipe.

    Args:
        name: a YAML file, or the name of a file in `model/recipes` without its suffix.
        overrides: `key=value` or `data.0.folder=value`; values are YAML.
        kind: the recipe's class.

    Raises:
        ModelError: the file is missing or not YAML, or a key is unknown, missing or of the wrong type.
    """
    ours = resources.files("model") / "recipes" / f"{name}.yaml"
    try:
        text = ours.read_text(encoding="utf-8") if ours.is_file() else Path(name).read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except OSError as error:
        raise ModelError(f"The recipe {name} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"The recipe {name} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(found, dict):
        raise ModelError(f"The recipe {name} must be a mapping of keys to values, for example `epochs: 100`.")
    for override in overrides:
        _override(found, override)
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise ModelError(_sentence(name, error, kind)) from error


def first_difference(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Return the first essential key in which two dumped recipes differ."""
    one, other = renamed(one), renamed(other)
    for key in one.keys() | other.keys():
        if key not in UNESSENTIAL and one.get(key) != other.get(key):
            return key
    return None


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's values under the keys' present names."""
    return {_EARLIER_KEYS.get(key, key): value for key, value in values.items()}


def part_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the class of a key's value, or of each where it is a list, if it has keys of its own."""
    types = [field.annotation, *get_args(field.annotation)]
    return next((each for each in types if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _override(found: dict[str, Any], override: str) -> None:
    keys, equals, text = override.partition("=")
    if not equals:
        raise ModelError(f"{override!r} is not an override: expected key=value, for example epochs=10.")
    try:
        # YAML 1.1 reads numbers that begin with 0 as octal ones, but they are names: of parts, of folds.
        value = text if re.fullmatch(r"0\d+", text) else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ModelError(f"The value of the override {override!r} is not YAML.") from error
    place: Any = found
    *_, last = path = keys.split(".")
    for key, following in pairwise(path):
        step: str | int = _index(place, key, override) if isinstance(place, list) else key
        if isinstance(place, dict) and not isinstance(place.get(key), dict | list):
            place[key] = [] if following.isdigit() else {}
        place = place[step]
        if not isinstance(place, dict | list):
            raise ModelError(f"The override {override!r} goes on below {key}, which is {place!r}.")
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    else:
        place[last] = value


def _index(place: list[Any], key: str, override: str) -> int:
    """Return a list's index; the index after the last appends an item."""
    if not key.isdigit() or int(key) > len(place):
        raise ModelError(f"The override {override!r} needs a number from 0 to {len(place)} where it says {key!r}.")
    if int(key) == len(place):
        place.append({})
    return int(key)


def _sentence(name: str, error: ValidationError, kind: type[BaseModel]) -> str:
    """Format the first validation error with its file and key."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    match first["type"]:
        case "extra_forbidden":
            model = _model_at(kind, first["loc"][:-1])
            known = f" Known there: {', '.join(model.model_fields)}." if model else ""
            return f"{name}: the key {key} is unknown.{known}"
        case "missing":
            return f"{name}: the key {key} is missing."
    reason = str(first["msg"]).removeprefix("Value error, ")
    return f"{name}: {key or 'the recipe'} = {first['input']!r} is not allowed: {reason}."


def _model_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the pydantic model at a location of the recipe."""
    model: type[BaseModel] | None = kind
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = part_of(field) if field else None
    return model
