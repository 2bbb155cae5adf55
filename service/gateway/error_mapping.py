"""Translate errors to HTTP and gRPC.

HTTP: `application/problem+json` (RFC 9457). gRPC: `google.rpc.Status`.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails

from mien.contract import errors

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[errors.MienError], int] = {
    errors.InvalidRequest: 400,
    errors.UploadStalled: 408,
    errors.AnswerNotRead: 408,
    errors.FramesStalled: 408,
    errors.EmptyUpload: 422,
    errors.KeyReused: 422,
    errors.DigestMismatch: 422,
    errors.UploadTooLarge: 413,
    errors.UnsupportedContainer: 415,
    errors.BadMedia: 422,
    errors.Missing: 404,
    errors.MethodNotAllowed: 405,
    errors.Expired: 410,
    errors.NotEnded: 409,
    errors.NotOffered: 501,
    errors.HostNotAllowed: 421,
    errors.CrossSite: 403,
    errors.ScopeMissing: 403,
    errors.Unauthorized: 401,
    errors.Unavailable: 503,
    errors.KeyInUse: 409,
    errors.QuotaReached: 429,
    errors.TooManyWrongKeys: 429,
    errors.Internal: 500,
}

_CODE: dict[type[errors.MienError], grpc.StatusCode] = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UploadStalled: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.AnswerNotRead: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.FramesStalled: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.KeyReused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DigestMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UploadTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnsupportedContainer: grpc.StatusCode.INVALID_ARGUMENT,
    errors.BadMedia: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Missing: grpc.StatusCode.NOT_FOUND,
    errors.Expired: grpc.StatusCode.NOT_FOUND,
    errors.NotEnded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotOffered: grpc.StatusCode.UNIMPLEMENTED,
    errors.Refused: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unauthorized: grpc.StatusCode.UNAUTHENTICATED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.TooManyConnections: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.KeyInUse: grpc.StatusCode.ABORTED,
    errors.QuotaReached: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.TooManyWrongKeys: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Internal: grpc.StatusCode.INTERNAL,
}
_DOMAIN = "mien"


class HttpProblem(BaseModel):
    """The body of every error response."""

    type: str = Field(description="URI of the kind of problem.", examples=["urn:mien:problem:not_found"])
    title: str = Field(description="One line that describes the kind of problem.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, and what to do about it.")
    code: str = Field(description="Stable code of the kind of problem, for programs.", examples=["not_found"])
    request_id: str = Field(description="Id of the request, also in the log and the header `X-Request-ID`.")
    analysis_id: str | None = Field(None, description="Id of the failed analysis, if any.")


class NotReady(HttpProblem):
    """Why jobs are not accepted, and which operations work nevertheless."""

    failing: dict[str, str] = Field(description="What is wrong with `queue`, `store` or this `gateway`.")
    works: list[str] = Field(
        description="The operations that work: `analyze`, `read` (states, events, lists), `results`, `delete`, `live`."
    )


def http_status(error: errors.MienError) -> int:
    """Return the HTTP status of an error: its class's or its nearest base class's."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def http_problem(error: errors.MienError, request_id: str, analysis_id: str | None = None) -> dict[str, Any]:
    """Return the response body of an error."""
    problem = HttpProblem(
        type=f"urn:mien:problem:{error.code}",
        title=error.title,
        status=http_status(error),
        detail=error.detail,
        code=error.code,
        request_id=request_id,
        analysis_id=analysis_id,
    )
    return problem.model_dump(exclude_none=True)


def http_headers(error: errors.MienError) -> dict[str, str]:
    """Return the response headers of an error."""
    if isinstance(error, errors.Unavailable):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, errors.UnsupportedEncoding):
        return {"Accept-Encoding": "identity"}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, errors.Unauthorized) else {}


def code_table() -> str:
    """Return a Markdown table of every error code that a client can get, with its statuses."""
    rows = sorted(
        f"| `{code}` | {http_status(error)} | `{grpc_code(error).name}` | {error.title} |"
        for code, kind in errors.BY_CODE.items()
        if not issubclass(kind, (errors.Misconfigured, errors.Unreachable))
        for error in (kind("", 1) if issubclass(kind, errors.Unavailable) else kind(""),)
    )
    return "\n".join(("| code | HTTP | gRPC | what it means |", "|---|---|---|---|", *rows))


def grpc_code(error: errors.MienError) -> grpc.StatusCode:
    """Return the gRPC status code of an error: its class's or its nearest base class's."""
    return next((_CODE[kind] for kind in type(error).__mro__ if kind in _CODE), grpc.StatusCode.INTERNAL)


def grpc_status(error: errors.MienError, request_id: str) -> Status:
    """Return the `google.rpc.Status` of an error for the trailer `grpc-status-details-bin`.

    The details are ErrorInfo, whose reason is the error's `code`, RequestInfo and, if they apply, BadRequest,
    QuotaFailure or RetryInfo (google.rpc, error_details.proto).
    """
    details: list[Any] = [ErrorInfo(reason=error.code, domain=_DOMAIN), RequestInfo(request_id=request_id)]
    if isinstance(error, errors.InvalidRequest):
        details.append(BadRequest(field_violations=[BadRequest.FieldViolation(description=error.detail)]))
    if isinstance(error, errors.QuotaReached):
        details.append(QuotaFailure(violations=[QuotaFailure.Violation(subject="api_key", description=error.detail)]))
    if isinstance(error, errors.Unavailable):
        details.append(RetryInfo(retry_delay=Duration(seconds=error.retry_after_s)))
    number: int = grpc_code(error).value[0]
    status = Status(code=number, message=error.detail)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def invalid_option(error: ErrorDetails) -> errors.InvalidOption:
    """Translate a validation error of pydantic to InvalidOption."""
    places = [str(place) for place in error["loc"] if place != "query"]
    name = places[0] if places else "options"
    return errors.InvalidOption(
        f"{name}: {error['msg'].removeprefix('Value error, ')}. Options are described at /docs."
    )


def unexpected() -> errors.Unexpected:
    """Return the error for a defect. Its cause is only logged."""
    return errors.Unexpected("The service failed because of a defect. Give its operator the request_id.")
