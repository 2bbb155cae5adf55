"""Parse the REST API's responses into the contract's models and errors."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError
from websockets.exceptions import InvalidURI

from mien.contract.errors import MienError, Problem, Unavailable, Unexpected, Unreachable, from_problem
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
        raise Unexpected(f"The server at {response.url} is not Mien. Give the address of a Mien service.") from error


def error_of(response: httpx2.Response) -> MienError:
    """Return the error in a response."""
    try:
        error = from_problem(Problem.model_validate(json.loads(response.content)))
    except ValueError:
        if response.has_redirect_location:
            to = response.headers["location"]
            return Unexpected(
                f"The server at {response.url} redirects to {to}. Give the address of the service itself."
            )
        return Unexpected(f"The service answered with status {response.status_code} and no reason.")
    if isinstance(error, Unavailable) and response.headers.get("retry-after", "").isdigit():
        error.retry_after_s = int(response.headers["retry-after"])
    return error


def not_sent() -> Unexpected:
    """Return the error of a request that cannot be sent; what is wrong with it may be secret, as a key is."""
    return Unexpected("The request is not valid HTTP, so it was not sent. This is a defect of the client: report it.")


def unreachable(url: str, error: BaseException) -> Unreachable:
    """Return the error of a service that cannot be reached, which says why."""
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        reason = f"Connection refused: no service answers at {url}."
    elif any(isinstance(cause, socket.gaierror) for cause in causes):
        reason = f"No service answers at {url}: this host name is not known."
    elif any(isinstance(cause, (TimeoutError, httpx2.TimeoutException)) for cause in causes):
        reason = f"No service answers at {url}: the connection timed out."
    elif any(isinstance(cause, (httpx2.InvalidURL, httpx2.UnsupportedProtocol, InvalidURI)) for cause in causes):
        reason = f"No service answers at {url}: this is not a URL like http://127.0.0.1:8000."
    elif any(isinstance(cause, ssl.SSLError) for cause in causes):
        reason = f"No service answers at {url}: the TLS connection failed: {error}"
    else:
        reason = f"No service answers at {url}: {str(error).rstrip('.') or 'the connection was lost'}."
    return Unreachable(f"{reason} Start one with `mien serve`, or give another address: Mien(url).", 1, reason=reason)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            yield from cause.exceptions
        cause = cause.__cause__ or cause.__context__


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
