"""The tree of errors → HTTP: status, and `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from service.contract import errors

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[errors.MienError], int] = {
    errors.InvalidRequest: 400,
    errors.UploadStalled: 408,
    errors.EmptyUpload: 422,
    errors.KeyReused: 422,
    errors.UploadTooLarge: 413,
    errors.UnsupportedContainer: 415,
    errors.BadMedia: 422,
    errors.Missing: 404,
    errors.MethodNotAllowed: 405,
    errors.Expired: 410,
    errors.Unavailable: 503,
    errors.KeyInUse: 409,
    errors.Internal: 500,
}


class HttpProblem(BaseModel):
    """The body of every error answer."""

    type: str = Field(description="A URI that names the kind of problem.", examples=["urn:mien:problem:not_found"])
    title: str = Field(description="The kind of problem in words; the same for each of its kind.")
    status: int
    detail: str = Field(description="What happened this time, and what to do about it.")
    code: str = Field(description="The kind of problem, for programs; stable.", examples=["not_found"])
    request_id: str
    analysis_id: str | None = Field(None, description="The analysis that failed, where there is one.")


def http_status(error: errors.MienError) -> int:
    """Return the HTTP status of an error: that of its nearest class in the tree."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def http_problem(error: errors.MienError, request_id: str, analysis_id: str | None = None) -> dict[str, Any]:
    """Return the body that tells an error."""
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
    """Return the headers that an error's answer needs."""
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, errors.Unavailable) else {}
