"""Uploads that go straight to the object store."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from mien.contract.options import AnalyzeOptions
from mien.contract.results import Analysis, UploadSlot
from service.gateway.openapi import problems
from service.gateway.rest.parameters import PREFER, Prefers, Sender, UploadId, Uses
from service.gateway.rest.responses import ACCEPTED, outcome_response

router = APIRouter()


class UploadOptions(AnalyzeOptions):
    """Options of the analysis of an uploaded video; unknown ones are refused."""

    sha256: str | None = Field(
        default=None,
        pattern="^[0-9A-Fa-f]{64}$",
        description="SHA-256 of the video in hexadecimal: if what was uploaded has another, it is not analysed.",
    )


@router.post(
    "/uploads",
    status_code=201,
    response_description="Where to upload the video, and until when.",
    responses=problems(401, 403, 429, 501),
    tags=["uploads"],
    summary="Get a presigned URL for a large video",
)
async def create_upload(owner: Sender, uses: Uses) -> UploadSlot:
    """Get a presigned URL of the object store for one video, which bypasses this service; 501 without such a store.

    Then `PUT` the video's bytes there, and `POST /uploads/{id}/analyze`, with the video's `sha256` to have it checked.
    """
    return await uses.direct_upload.slot(owner)


@router.post(
    "/uploads/{upload_id}/analyze",
    response_model=Analysis,
    response_model_exclude_unset=True,
    response_description="The result: the analysis has succeeded.",
    responses=ACCEPTED | problems(400, 401, 403, 404, 410, 413, 415, 422, 429),
    openapi_extra={"parameters": [PREFER]},
    tags=["uploads"],
    summary="Analyse a video that was uploaded to the object store",
)
async def analyze_upload(  # noqa: PLR0917 - FastAPI gives them by name
    request: Request,
    upload_id: UploadId,
    owner: Sender,
    options: Annotated[UploadOptions, Query()],
    uses: Uses,
    prefers: Prefers,
) -> Response:
    """Analyse an uploaded video, as `POST /analyze` does. Repeating the request returns the same analysis."""
    analyze = AnalyzeOptions(**options.model_dump(exclude={"sha256"}, exclude_unset=True))
    job_id = await uses.direct_upload.analyze(owner, upload_id, analyze, options.sha256)
    return await outcome_response(request, uses, job_id, prefers)
