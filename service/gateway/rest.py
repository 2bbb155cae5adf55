"""The REST API: routes that translate HTTP to use cases and back."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from mien.contract.api_keys import Scope
from mien.contract.errors import MienError, NotEnded, QueueUnavailable, from_problem
from mien.contract.events import NAMES
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from mien.contract.results import Analysis, Page, UploadSlot
from mien.contract.timeline import write_csv
from mien.contract.workers import Models
from service.gateway.accept_header import prefers_csv
from service.gateway.connections import source_of
from service.gateway.containers import too_large
from service.gateway.error_mapping import MEDIA_TYPE, NotReady, http_headers, http_problem, http_status
from service.gateway.idempotency import parse_idempotency_key
from service.gateway.openapi import problems
from service.gateway.prefer_header import Preference, parse_prefer
from service.gateway.uploads import FORM_OVERHEAD_BYTES, check_encoding, video_bytes
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.authenticate import Owner, public_id
from service.gateway.usecases.browse import MOST_LIMIT, USUAL_LIMIT
from service.gateway.usecases.service_status import Readiness
from service.gateway.usecases.watch import Event
from service.queue.jobs import Job

log = structlog.get_logger()

_RETRY_AFTER_S = "2"
_NOT_READY = {"$ref": f"#/components/schemas/{NotReady.__name__}"}
_CSV: dict[str, Any] = {"text/csv": {"schema": {"type": "string"}}}


class ListOptions(BaseModel):
    """Options of `GET /analyses`; unknown options are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State | None = Field(None, description="Only analyses in this state.")
    limit: int = Field(USUAL_LIMIT, ge=1, le=MOST_LIMIT, description="Maximum number of analyses on a page.")
    cursor: str | None = Field(None, description="The previous page's `next`; left out for the first page.")


class Health(BaseModel):
    """The process is running."""

    status: str = Field(description="`ok`.", examples=["ok"])


router = APIRouter()
_BEARER = HTTPBearer(
    auto_error=False, description="An API key: `mien_…`."
)  # documents the scheme; `Authenticate` checks it


def use_cases(request: Request) -> UseCases:
    """Return the app's use cases."""
    found: UseCases = request.app.state.use_cases
    return found


def preference(request: Request) -> Preference:
    """Return the request's `Prefer` header, parsed."""
    return parse_prefer(",".join(request.headers.getlist("prefer")))


def idempotency_key(request: Request) -> str | None:
    """Return the request's `Idempotency-Key` header, parsed."""
    return parse_idempotency_key(request.headers.getlist("idempotency-key"))


def _owner(scope: Scope) -> Callable[..., Awaitable[Owner]]:
    async def authenticate(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> Owner:
        address = source_of(request.client.host) if request.client else ""
        return await use_cases(request).authenticate(request.headers.get("authorization"), scope, address)

    return authenticate


Uses = Annotated[UseCases, Depends(use_cases)]
Sender = Annotated[Owner, Depends(_owner(Scope.ANALYZE))]
Reader = Annotated[Owner, Depends(_owner(Scope.READ))]
Operator = Annotated[Owner, Depends(_owner(Scope.ADMIN))]
Prefers = Annotated[Preference, Depends(preference)]
Key = Annotated[str | None, Depends(idempotency_key)]
AnalysisId = Annotated[str, Path(description="The analysis's id.", examples=["01M8DZKXH8BZBZ4HJDQ5ZK5X2M"])]
UploadId = Annotated[str, Path(description="The upload's id, given by `POST /uploads`.")]
Accept = Annotated[str, Header(description="`text/csv` for a table; JSON otherwise.")]
LastEventId = Annotated[str, Header(description="Id of the last event that the client has; the events after it come.")]


_VIDEO = {"type": "string", "format": "binary"}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string"},
    "description": "`respond-async` to get 202 at once, `wait=N` to wait N seconds at most (RFC 7240).",
}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "The video: as the form field `video`, or as the body itself under any other content type. "
        "MP4, MOV, 3GP, MKV, WebM or AVI, recognised by its first bytes.",
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"video": _VIDEO}, "required": ["video"]}
            },
            "application/octet-stream": {"schema": _VIDEO},
        },
    },
    "parameters": [
        _PREFER,
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "maxLength": 255},
            "description": "A unique id of this request that the client chooses, such as a UUID. Repeating the request "
            "with the same key, options and video within one day returns the same analysis.",
        },
    ],
}


@router.post(
    "/analyze",
    response_model=Analysis,
    response_model_exclude_unset=True,
    responses={
        202: {"model": Analysis, "description": "Accepted; read it at `Location`."},
        **problems(400, 401, 403, 409, 410, 413, 415, 422, 429),
    },
    openapi_extra=_UPLOAD,
    tags=["analyses"],
    summary="Analyse a video",
)
async def analyze_video(  # noqa: PLR0917 - FastAPI gives them by name
    request: Request,
    asker: Sender,
    options: Annotated[AnalyzeOptions, Query()],
    uses: Uses,
    prefers: Prefers,
    key: Key,
) -> Response:
    """Upload a video and analyse the affect that its faces show over time.

    Responds with 200 if the result is ready within the time to wait (60 s, or `Prefer: wait=N`), else with 202 and the
    `Location` to poll. An accepted analysis continues even if the connection is lost.
    """
    check_encoding(",".join(request.headers.getlist("content-encoding")))
    most = uses.settings.upload_max_bytes
    length = request.headers.get("content-length")
    declared = int(length) if length is not None else None
    if declared is not None and declared > most + FORM_OVERHEAD_BYTES:
        raise too_large(most)
    video = video_bytes(
        _body(request),
        request.headers.get("content-type", "application/octet-stream"),
        most_bytes=most,
        idle_s=uses.settings.upload_idle_s,
        most_s=uses.settings.upload_max_s,
        containers=uses.settings.containers,
    )
    job_id = await uses.submit(asker, video, options, declared=declared, key=key)
    job = await uses.follow.job(job_id, prefers.waits(default_s=uses.settings.wait_s, most_s=uses.settings.wait_s))
    return await _outcome(request, uses, job)


@router.post(
    "/uploads",
    status_code=201,
    responses=problems(401, 403, 429, 501),
    tags=["uploads"],
    summary="Get a presigned URL for a large video",
)
async def create_upload(asker: Sender, uses: Uses) -> UploadSlot:
    """Get a presigned URL of the object store for one video, which bypasses this service; 501 without such a store.

    Then `PUT` the video's bytes there, and `POST /uploads/{id}/analyze`.
    """
    return await uses.direct_upload.slot(asker)


@router.post(
    "/uploads/{upload_id}/analyze",
    response_model=Analysis,
    response_model_exclude_unset=True,
    responses={
        202: {"model": Analysis, "description": "Accepted; read it at `Location`."},
        **problems(400, 401, 403, 404, 410, 413, 415, 422, 429),
    },
    openapi_extra={"parameters": [_PREFER]},
    tags=["uploads"],
    summary="Analyse a video that was uploaded to the object store",
)
async def analyze_upload(  # noqa: PLR0917 - FastAPI gives them by name
    request: Request,
    upload_id: UploadId,
    asker: Sender,
    options: Annotated[AnalyzeOptions, Query()],
    uses: Uses,
    prefers: Prefers,
) -> Response:
    """Analyse an uploaded video, as `POST /analyze` does. Repeating the request returns the same analysis."""
    job_id = await uses.direct_upload.analyze(asker, upload_id, options)
    job = await uses.follow.job(job_id, prefers.waits(default_s=uses.settings.wait_s, most_s=uses.settings.wait_s))
    return await _outcome(request, uses, job)


@router.get(
    "/analyses",
    response_model_exclude_unset=True,
    responses=problems(400, 401, 403, 429),
    tags=["analyses"],
    summary="List the analyses",
)
async def list_analyses(asker: Reader, options: Annotated[ListOptions, Query()], uses: Uses) -> Page:
    """List the analyses that can be read, newest first, without their results.

    If there are more, `next` is the `cursor` of the next page. Pages neither repeat nor miss an analysis while
    others come and go. With `state` a page may be short and yet have a `next`.
    """
    return await uses.browse(asker, options.limit, cursor=options.cursor, state=options.state)


@router.get(
    "/analyses/{analysis_id}",
    response_model=Analysis,
    response_model_exclude_unset=True,
    responses={200: {"content": _CSV}, **problems(400, 401, 403, 404, 409, 410, 429)},
    openapi_extra={"parameters": [_PREFER]},
    tags=["analyses"],
    summary="Read an analysis",
)
async def get_analysis(
    analysis_id: AnalysisId, asker: Reader, uses: Uses, prefers: Prefers, accept: Accept = ""
) -> Response:
    """Get an analysis in its current state; with `Prefer: wait=N`, wait up to N seconds for its end.

    With `Accept: text/csv` get its windows as a table, as from `timeline.csv`.
    """
    job = await uses.follow.job(asker.own(analysis_id), prefers.waits(default_s=0.0, most_s=uses.settings.wait_s))
    return await _table(uses, job) if prefers_csv(accept) else await _answer(uses, job, status=200)


@router.get(
    "/analyses/{analysis_id}/timeline.csv",
    response_class=Response,
    responses={
        200: {"content": _CSV},
        **problems(401, 403, 404, 409, 410, 429),
    },
    tags=["analyses"],
    summary="Read a timeline as CSV",
)
async def get_timeline(analysis_id: AnalysisId, asker: Reader, uses: Uses) -> Response:
    """Get the windows of all faces as a table, one per line, once the analysis has succeeded (see docs/csv.md)."""
    job = await uses.follow.job(asker.own(analysis_id))
    return await _table(uses, job)


async def watched(
    analysis_id: AnalysisId, asker: Reader, uses: Uses, last_event_id: LastEventId = ""
) -> AsyncIterator[Event]:
    """Return the events of an analysis after the one that the client saw last."""
    events = await uses.watch.open(asker.own(analysis_id), last_event_id)
    if events is None:
        # A browser's EventSource reconnects after every end of the stream until it gets 204.
        raise HTTPException(204)
    return events


@router.get(
    "/analyses/{analysis_id}/events",
    response_class=EventSourceResponse,
    responses={
        204: {"description": "No event follows `Last-Event-ID`: it was the last."},
        **problems(400, 401, 403, 404, 410, 429),
    },
    tags=["analyses"],
    summary="Watch an analysis",
)
async def watch_analysis(stream: Annotated[AsyncIterator[Event], Depends(watched)]) -> AsyncIterator[ServerSentEvent]:
    """Get the events of an analysis as server-sent events: those so far, then the rest until its end.

    | event | data |
    |---|---|
    | `began` | `attempt`: a worker starts; from the second attempt on, earlier events are void |
    | `progress` | `done_s` of `total_s` seconds of the video are analysed |
    | `window` | the scores of one window of a face: `track`, `start_s`, `end_s`, and as in the result's `timeline` |
    | `snapshot` | earlier events are no longer kept: the current state; the result will have all windows |
    | `ended` | `state`: `succeeded` (read the result), `failed` (with the `error`) or `cancelled` |

    Send the last event's id as `Last-Event-ID` to resume after it. Events are kept until ten minutes after the end.
    """
    try:
        async for event in stream:
            yield ServerSentEvent(
                event=NAMES[type(event.what)],
                raw_data=event.what.model_dump_json(exclude_unset=True),
                id=None if event.id is None else str(event.id),
            )
    except QueueUnavailable:
        # The status is already sent: the client reconnects and gets the error then.
        log.warning("queue unreachable, events end")


@router.delete(
    "/analyses/{analysis_id}",
    status_code=204,
    responses=problems(401, 403, 404, 410, 429),
    tags=["analyses"],
    summary="Cancel and erase an analysis",
)
async def delete_analysis(analysis_id: AnalysisId, asker: Sender, uses: Uses) -> None:
    """Cancel an analysis if it still runs, and erase its video and result."""
    await uses.cancel(asker.own(analysis_id))


@router.get("/models", responses=problems(401, 403, 429), tags=["service"], summary="List the models")
async def list_models(_: Reader, uses: Uses) -> Models:
    """List the models that live workers serve."""
    return await uses.status.models()


@router.get("/healthz", responses=problems(), tags=["service"], summary="Liveness probe")
async def get_health() -> Health:
    """Report that the process is running."""
    return Health(status="ok")


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={
        **problems(),
        503: {"description": "Not ready", "content": {MEDIA_TYPE: {"schema": _NOT_READY}}},
    },
    tags=["service"],
    summary="Readiness probe",
)
async def get_readiness(request: Request, uses: Uses) -> Response:
    """Report whether the service accepts jobs, which it does even without a worker; if not, why, and what works."""
    found = await uses.status.readiness()
    if isinstance(found, Readiness):
        return JSONResponse(found.model_dump(exclude_defaults=True))
    first = next(iter(found.failing.values()))
    problem = http_problem(first, getattr(request.state, "request_id", ""))
    failing = {part: error.detail for part, error in found.failing.items()}
    told = NotReady(**problem, failing=failing, works=found.works)
    content = told.model_dump_json(exclude_none=True)
    return Response(content, http_status(first), http_headers(first), MEDIA_TYPE)


@router.get("/metrics", include_in_schema=False)
async def metrics(_: Operator, uses: Uses) -> Response:
    """Return the metrics in Prometheus' text format."""
    await uses.update_metrics()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def problem_response(request: Request, error: MienError, analysis_id: str | None = None) -> JSONResponse:
    """Return the response for an error."""
    request_id = getattr(request.state, "request_id", "")
    return JSONResponse(
        http_problem(error, request_id, analysis_id),
        status_code=http_status(error),
        media_type=MEDIA_TYPE,
        headers=http_headers(error),
    )


async def _outcome(request: Request, uses: UseCases, job: Job) -> Response:
    if job.state is State.FAILED and job.error is not None:
        return problem_response(request, from_problem(job.error), analysis_id=public_id(job.id))
    return await _answer(uses, job, status=200 if job.state.terminal else 202)


async def _answer(uses: UseCases, job: Job, status: int) -> Response:
    analysis = await uses.follow.present(job)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if not job.state.terminal:
        headers |= {"Location": f"/analyses/{public_id(job.id)}", "Retry-After": _RETRY_AFTER_S}
    content = analysis.model_dump_json(exclude_unset=True)
    return Response(content, status_code=status, media_type="application/json", headers=headers)


async def _table(uses: UseCases, job: Job) -> Response:
    if job.state is not State.SUCCEEDED:
        raise NotEnded(f"This analysis has no timeline: it is {job.state}.")
    analysis = await uses.follow.present(job)
    table = io.StringIO()
    await asyncio.to_thread(write_csv, analysis, table)
    return Response(table.getvalue(), media_type="text/csv", headers={"Cache-Control": "no-store"})


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk
