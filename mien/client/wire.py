"""Answers of the REST door → the contract's models and errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import NamedTuple, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from mien.contract.errors import MienError, Problem, QueueUnavailable, Unavailable, Unexpected, from_problem
from mien.contract.events import NAMES, Happening

_MODELS = {name: model for model, name in NAMES.items()}

Model = TypeVar("Model", bound=BaseModel)


class Sent(NamedTuple):
    """A server-sent event."""

    id: str
    what: Happening


def parsed(answer: httpx2.Response, model: type[Model]) -> Model:
    """Return an answer's body.

    Raises:
        Unexpected: it is something else.
    """
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise Unexpected(
            f"What answers at {answer.url} is not Mien. Name the service with --url or MIEN_URL."
        ) from error


def told(answer: httpx2.Response) -> MienError:
    """Return the error that an answer tells."""
    try:
        error = from_problem(Problem.model_validate(json.loads(answer.content)))
    except ValueError:
        return Unexpected(f"The service answered {answer.status_code} without saying why.")
    if isinstance(error, Unavailable) and answer.headers.get("retry-after", "").isdigit():
        error.retry_after_s = int(answer.headers["retry-after"])
    return error


def nobody(url: str) -> QueueUnavailable:
    """Return the error of a service that cannot be reached."""
    return QueueUnavailable(
        f"Nobody answers at {url}. Start the service with `mien serve`, name another with --url or MIEN_URL, "
        "or use --local.",
        1,
    )


async def sent(lines: AsyncIterator[str]) -> AsyncIterator[Sent]:
    """Give the events of a stream's lines (HTML standard, server-sent events); kinds that are not known are skipped."""
    kind, data, event_id = "", "", ""
    async for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data += value
        elif field == "id":
            event_id = value
        elif not line:
            if kind in _MODELS:
                yield Sent(event_id, _MODELS[kind].model_validate_json(data))
            kind, data, event_id = "", "", ""
