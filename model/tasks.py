"""What a model can learn: the tasks that bundles have, and one that only helps to learn them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.contract.bundle import DimensionsTask, ExpressionTask, PersonalityTask, Task


class UnitsTask(BaseModel):
    """How strongly each FACS action unit shows, 0–1: a dense target beside the others, not served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["units"] = "units"
    names: tuple[str, ...] = Field(min_length=1, description="In the order of the output's columns.")


LearntKind = Literal["expression", "dimensions", "personality", "units"]

LearntTask = Annotated[
    ExpressionTask | DimensionsTask | PersonalityTask | UnitsTask,
    Field(discriminator="kind"),
]


def served(tasks: Iterable[LearntTask]) -> tuple[Task, ...]:
    """Return those that a bundle can have."""
    return tuple(task for task in tasks if not isinstance(task, UnitsTask))
