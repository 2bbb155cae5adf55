"""Describe the outputs of a published checkpoint's head that belongs to no dataset of the registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import ValidationError

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask, Task
from model.errors import ModelError


def task_of(*, expressions: Sequence[str], dimensions: Sequence[str], traits: Sequence[str]) -> Task | None:
    """Return the task that the command line describes; None if it describes none.

    Args:
        expressions: labels, in the order of the head's outputs.
        dimensions: likewise, each as name, name:lowest:highest.
        traits: likewise.

    Raises:
        ModelError: more than one kind is described, a description is not valid, or two outputs have one name.
    """
    given = [bool(expressions), bool(dimensions), bool(traits)]
    if sum(given) > 1:
        raise ModelError("A published checkpoint has one head: give one of --expressions, --dimensions and --traits.")
    try:
        task = _described(expressions, dimensions, traits)
    except ValidationError as error:
        what = error.errors()[0]
        raise ModelError(f"The outputs are not as they must be: {what['input']!r}: {what['msg']}.") from error
    for name, count in Counter(task.names if task else ()).items():
        if count > 1:
            raise ModelError(f"The outputs are not as they must be: {name!r} is there {count} times.")
    return task


def _described(expressions: Sequence[str], dimensions: Sequence[str], traits: Sequence[str]) -> Task | None:
    if expressions:
        return ExpressionTask(labels=tuple(expressions))
    if dimensions:
        return DimensionsTask(dimensions=tuple(_dimension(text) for text in dimensions))
    return PersonalityTask(traits=tuple(traits)) if traits else None


def _dimension(text: str) -> Dimension:
    name, *limits = text.split(":")
    try:
        low, high = map(float, limits or ("-1", "1"))
    except ValueError:
        raise ModelError(
            f"--dimensions {text}: expected a name with its lowest and highest value, for example valence:-1:1."
        ) from None
    return Dimension.model_validate({"name": name, "minimum": low, "maximum": high})
