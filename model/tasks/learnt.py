"""Tasks that a model can learn: those of bundles, and side tasks that only improve training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mien.contract.bundle import DimensionsTask, ExpressionTask, PersonalityTask, Task


class SideTask(BaseModel):
    """Auxiliary regression targets that only rendered faces have; bundles leave them out.

    units are the strengths of FACS action units, 0–1; landmarks the coordinates of a face's shape.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["units", "landmarks"]
    names: tuple[str, ...] = Field(min_length=1, description="In the order of the output's columns.")


LearntKind = Literal["expression", "dimensions", "personality", "units", "landmarks"]

LearntTask = Annotated[
    ExpressionTask | DimensionsTask | PersonalityTask | SideTask,
    Field(discriminator="kind"),
]


TASKS: TypeAdapter[tuple[LearntTask, ...]] = TypeAdapter(tuple[LearntTask, ...])
"""Reads the tasks of a checkpoint."""


def served(tasks: Iterable[LearntTask]) -> tuple[Task, ...]:
    """Return the tasks that a bundle can have, without side tasks."""
    return tuple(task for task in tasks if not isinstance(task, SideTask))
