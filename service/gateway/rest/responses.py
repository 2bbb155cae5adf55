"""Respond with an analysis: as JSON, as a table, or as the problem that it ended with."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from mien.contract.errors import MienError, NotEnded, from_problem
from mien.contract.jobs import State
from mien.contract.results import Analysis
from mien.contract.timeline import write_csv
from service.gateway.error_mapping import MEDIA_TYPE, http_headers, http_problem, http_status
from service.gateway.prefer_header import Preference
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.authenticate import public_id

if TYPE_CHECKING:
    from service.queue.jobs import Job

_RETRY_AFTER_S = "2"
CSV: dict[str, Any] = {"text/csv": {"schema": {"type": "string"}}}
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": Analysis, "description": "Accepted; read it at `Location`."}
}


def problem_response(request: Request, error: MienError, analysis_id: str | None = None) -> JSONResponse:
    """Return the response for an error."""
    request_id = getattr(request.state, "request_id", "")
    return JSONResponse(
        http_problem(error, request_id, analysis_id),
        status_code=http_status(error),
        media_type=MEDIA_TYPE,
        headers=http_headers(error),
    )


async def outcome_response(request: Request, uses: UseCases, job_id: str, prefers: Preference) -> Response:
    """Wait for an analysis that was accepted, and return it: a failure is a problem; 202 if it has not ended."""
    wait_s = uses.settings.wait_s
    job = await uses.follow.job(job_id, prefers.waits(default_s=wait_s, most_s=wait_s))
    return _failure(request, job) or await analysis_response(uses, job, status=200 if job.state.terminal else 202)


def _failure(request: Request, job: Job) -> JSONResponse | None:
    """Return the problem that an analysis ended with, or None if it has not failed."""
    if job.state is not State.FAILED or job.error is None:
        return None
    return problem_response(request, from_problem(job.error), analysis_id=public_id(job.id))


async def analysis_response(uses: UseCases, job: Job, status: int) -> Response:
    """Return an analysis as JSON, and where to poll it if it has not ended."""
    analysis = uses.follow.present(job)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if not job.state.terminal:
        headers |= {"Location": f"/analyses/{public_id(job.id)}", "Retry-After": _RETRY_AFTER_S}
    how: dict[str, Any] = {"status_code": status, "media_type": "application/json", "headers": headers}
    stored = await uses.follow.findings_json(job)
    if stored is None:
        return Response(analysis.model_dump_json(exclude_unset=True), **how)
    size, findings = stored
    begin = analysis.model_dump_json(exclude_unset=True, exclude={"warnings"}).encode()
    headers["Content-Length"] = str(len(begin) - 1 + size)
    return StreamingResponse(_joined(begin, findings), **how)


async def _joined(begin: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join two objects in JSON to one, the second of which comes in pieces: `{"a":1}` and `{"b":2}`."""
    yield begin[:-1] + b","
    yield (await anext(rest))[1:]
    async for piece in rest:
        yield piece


async def table_response(request: Request, uses: UseCases, job: Job) -> Response:
    """Return the windows of an analysis as CSV; a failure is a problem.

    Raises:
        NotEnded: it has not ended.
    """
    if (failure := _failure(request, job)) is not None:
        return failure
    findings = await uses.follow.findings(job)
    if findings is None:
        raise NotEnded(f"This analysis has no timeline yet: it is {job.state}. Try again when it has succeeded.")
    table = io.BytesIO()
    with io.TextIOWrapper(table, encoding="utf-8", newline="", write_through=True) as text:
        await asyncio.to_thread(write_csv, findings.faces, findings.video, text)
        content = table.getvalue()
    return Response(content, media_type="text/csv", headers={"Cache-Control": "no-store"})
