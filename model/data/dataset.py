"""Describe a published dataset: a row of `model.data.registry`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from model.data.prepared import ClipRow, Region
from model.errors import ModelError
from model.tasks.learnt import LearntTask


@dataclass(frozen=True)
class ClipProblem:
    """A clip that cannot be read, and the reason."""

    clip: str
    reason: str


class BadRow(ModelError):
    """A row of a dataset's tables, or a file's name, cannot be used; the message has its file and line."""


def row_or_problem(place: str, make: Callable[[], ClipRow | ClipProblem]) -> ClipRow | ClipProblem:
    """Return a row, or its problem.

    Args:
        place: the file and line, or the file's name, which identify a clip in the list of problems.
        make: makes the row; may raise `BadRow`, ValidationError of the row, and OSError of the files that it names.
    """
    try:
        return make()
    except BadRow as error:
        return ClipProblem(place, str(error))
    except ValidationError as error:
        what = error.errors()[0]
        name = str(what["loc"][0])
        meant = ClipRow.model_fields[name].description
        return ClipProblem(place, f"{place}: {name} cannot be {what['input']!r}. Expected: {meant}")
    except OSError as error:
        return ClipProblem(place, f"{place}: {error.strerror or error}.")


Reader = Callable[[Path, "PublishedDataset"], Iterator[ClipRow | ClipProblem]]
"""Reads a published layout at its root; `ClipRow.media` is the path of the owners' file."""


@dataclass(frozen=True)
class PublishedDataset:
    """A published dataset.

    Attributes:
        title: its name as people write it.
        read: its layout's reader.
        protocol: see `model.data.prepared.Prepared`.
        parts: see there.
        stride: frames from one that is sampled to the next.
        fps: frame rate to which the stride refers; also the frame rate of frame folders, which do not record it.
        choice: sentence that says whether stride or fps is chosen here because it is not published; else empty.
        crops: whether it shows faces already cut out, at about our margin.
        crops_in: folders of the layout with faces already cut out, which only some copies have; they are preferred.
        fit: see `Prepared`.
        licence: its owners' conditions.
        codes: published expression label → Mien's, in the published order. Labels of the same meaning are renamed
            (happy to happiness); others, such as calm and contempt, keep their names.
        tasks: the tasks of its labels.
        columns: Mien's name → the header in the dataset's own table; users may rename them.
        region: see `Prepared`.
        clips: number of clips, by part.
        subjects: number of people, by part.
        total: number of clips, if the parts' numbers are not published.
        left_out: clips that the protocol excludes.
        settle: completes this description from the rows that were read, for a user's own dataset.
    """

    title: str
    read: Reader
    stride: int
    fps: float
    licence: str
    protocol: Literal["folds", "fixed"] = "fixed"
    parts: tuple[str, ...] = ("train",)
    choice: str = ""
    crops: bool = False
    crops_in: tuple[str, ...] = ()
    fit: Literal["middle", "squeeze"] = "middle"
    codes: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[LearntTask, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    region: Region | None = None
    clips: Mapping[str, int] = field(default_factory=dict)
    subjects: Mapping[str, int] = field(default_factory=dict)
    total: int | None = None
    left_out: frozenset[str] = frozenset()
    settle: Callable[[PublishedDataset, Sequence[ClipRow]], PublishedDataset] | None = None

    @property
    def interval_s(self) -> float:
        """Seconds between two frames of a clip."""
        return self.stride / self.fps

    def expression(self, code: str, where: str) -> str:
        """Return Mien's name of a published label.

        Args:
            code: as published.
            where: file and line, for the error.

        Raises:
            BadRow: there is no such label.
        """
        if code not in self.codes:
            raise BadRow(f"{where}: the label {code!r} is not one of {self.title}'s: {', '.join(self.codes)}.")
        return self.codes[code]
