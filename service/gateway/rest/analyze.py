"""Analyse a video that comes in the request's body."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from mien.contract.options import AnalyzeOptions
from mien.contract.results import Analysis
from service.gateway.containers import too_large
from service.gateway.openapi import problems
from service.gateway.rest.parameters import PREFER, Key, Prefers, Sender, Uses
from service.gateway.rest.responses import ACCEPTED, outcome_response
from service.gateway.uploads import FORM_OVERHEAD_BYTES, check_encoding, video_bytes

router = APIRouter()

_VIDEO = {"type": "string", "format": "binary", "description": "The video file."}
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
        PREFER,
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
    response_description="The result: the analysis has succeeded.",
    responses=ACCEPTED | problems(400, 401, 403, 409, 410, 413, 415, 422, 429),
    openapi_extra=_UPLOAD,
    tags=["analyses"],
    summary="Analyse a video",
)
async def analyze_video(  # noqa: PLR0917 - FastAPI gives them by name
    request: Request,
    owner: Sender,
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
        request.stream(),
        request.headers.get("content-type", "application/octet-stream"),
        most_bytes=most,
        idle_s=uses.settings.upload_idle_s,
        most_s=uses.settings.upload_max_s,
        containers=uses.settings.containers,
    )
    job_id = await uses.submit(owner, video, options, declared=declared, key=key)
    return await outcome_response(request, uses, job_id, prefers)
