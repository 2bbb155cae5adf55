"""Parse the REST API's responses into the contract's models and errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import NamedTuple, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from mien.contract.errors import MienError, Problem, QueueUnavailable, Unavailable, Unexpected, from_problem
from mien.contract.events import NAMES, AnalysisEvent

_MODELS = {name: model for model, name in NAMES.items()}

Model = TypeVar("Model", bound=BaseModel)


class ServerSentEvent(NamedTuple):
    """An event of an analysis with its id in the stream."""

    id: str
    event: AnalysisEvent


def parse_body(response: httpx2.Response, model: type[Model]) -> Model:
    """Parse a response's body.

    Raises:
        Unexpected: the body is not what Mien sends.
    """
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise Unexpected(
            f"The server at {response.url} is not Mien. Set the service's address with --url or MIEN_URL."
        ) from error


def error_of(response: httpx2.Response) -> MienError:
    """Return the error in a response."""
    try:
        error = from_problem(Problem.model_validate(json.loads(response.content)))
    except ValueError:
        return Unexpected(f"The service answered with status {response.status_code} and no reason.")
    if isinstance(error, Unavailable) and response.headers.get("retry-after", "").isdigit():
        error.retry_after_s = int(response.headers["retry-after"])
    return error


def unreachable(url: str) -> QueueUnavailable:
    """Return the error of a service that cannot be reached."""
    return QueueUnavailable(
        f"No service answers at {url}. Start one with `mien serve`, set another address with --url or MIEN_URL, "
        "or use --local.",
        1,
    )


async def server_sent_events(lines: AsyncIterator[str]) -> AsyncIterator[ServerSentEvent]:
    """Parse the lines of a `text/event-stream` (HTML standard, section 9.2); unknown event types are skipped."""
    event_type, data, event_id = "", "", ""
    async for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event_type = value
        elif field == "data":
            data += value
        elif field == "id":
            event_id = value
        elif not line:
            if event_type in _MODELS:
                yield ServerSentEvent(event_id, _MODELS[event_type].model_validate_json(data))
            event_type, data, event_id = "", "", ""
