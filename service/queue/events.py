"""The events of a job as its stream holds them.

An event's id is "fence-number": the fence of its attempt, and its number within that attempt, from 0 (`began`) on
without a gap. So a reader can tell from two ids alone whether events between them are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mien.contract.events import NAMES, Began, FaceWindow
from mien.contract.results import Progress

WorkerEvent = Began | Progress | FaceWindow
_KINDS: dict[str, type[WorkerEvent]] = {NAMES[kind]: kind for kind in (Began, Progress, FaceWindow)}


class EventId(NamedTuple):
    """An event's place among those of its job; later ones are greater."""

    fence: int
    number: int

    def __str__(self) -> str:
        return f"{self.fence}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> EventId:
        """Parse an id.

        Raises:
            ValueError: the text is not an id.
        """
        fence, _, number = text.partition("-")
        if not all(part.isascii() and part.isdigit() and len(part) < 16 for part in (fence, number)):
            raise ValueError(f"no event id: {text!r}")
        return cls(int(fence), int(number))


@dataclass(frozen=True)
class StoredEvent:
    """An event of a worker, as the stream of its job holds it."""

    id: EventId
    what: WorkerEvent


def event_fields(what: WorkerEvent) -> tuple[str, str]:
    """Return the kind and the data of an event, as the stream's fields `kind` and `data` hold them."""
    return NAMES[type(what)], what.model_dump_json(exclude_unset=True)


def parse_event(entry_id: str, fields: dict[str, str]) -> StoredEvent:
    """Return the event of a stream entry."""
    return StoredEvent(EventId.parse(entry_id), _KINDS[fields["kind"]].model_validate_json(fields["data"]))
