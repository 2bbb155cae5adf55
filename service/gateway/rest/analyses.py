"""List, read and delete analyses."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from mien.contract.jobs import State
from mien.contract.results import Analysis, Page
from service.gateway.accept_header import prefers_csv
from service.gateway.openapi import problems
from service.gateway.rest.parameters import PREFER, Accept, AnalysisId, Prefers, Reader, Sender, Uses
from service.gateway.rest.responses import CSV, analysis_response, table_response
from service.gateway.usecases.browse import MOST_LIMIT, USUAL_LIMIT

router = APIRouter()


class ListOptions(BaseModel):
    """Options of `GET /analyses`; unknown options are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State | None = Field(None, description="Only analyses in this state.")
    limit: int = Field(USUAL_LIMIT, ge=1, le=MOST_LIMIT, description="Maximum number of analyses on a page.")
    cursor: str | None = Field(None, description="The previous page's `next`; left out for the first page.")


@router.get(
    "/analyses",
    response_model_exclude_unset=True,
    response_description="A page of analyses, newest first.",
    responses=problems(400, 401, 403, 429),
    tags=["analyses"],
    summary="List the analyses",
)
async def list_analyses(owner: Reader, options: Annotated[ListOptions, Query()], uses: Uses) -> Page:
    """List the analyses that can be read, newest first, without their results.

    If there are more, `next` is the `cursor` of the next page. Pages neither repeat nor miss an analysis while
    others come and go. With `state` a page may be short and yet have a `next`.
    """
    return await uses.browse(owner, options.limit, cursor=options.cursor, state=options.state)


@router.get(
    "/analyses/{analysis_id}",
    response_model=Analysis,
    response_model_exclude_unset=True,
    response_description="The analysis in its current state; with its result if it has succeeded.",
    responses={200: {"content": CSV}, **problems(400, 401, 403, 404, 409, 410, 422, 429)},
    openapi_extra={"parameters": [PREFER]},
    tags=["analyses"],
    summary="Read an analysis",
)
async def get_analysis(  # noqa: PLR0917 - FastAPI gives them by name
    request: Request, analysis_id: AnalysisId, owner: Reader, uses: Uses, prefers: Prefers, accept: Accept = ""
) -> Response:
    """Get an analysis in its current state; with `Prefer: wait=N`, wait up to N seconds for its end.

    With `Accept: text/csv` get its windows as a table, as from `timeline.csv`.
    """
    job = await uses.follow.job(owner.own(analysis_id), prefers.waits(default_s=0.0, most_s=uses.settings.wait_s))
    if prefers_csv(accept):
        return await table_response(request, uses, job)
    return await analysis_response(uses, job, status=200)


@router.get(
    "/analyses/{analysis_id}/timeline.csv",
    response_class=Response,
    response_description="The windows, one per line.",
    responses={
        200: {"content": CSV},
        **problems(400, 401, 403, 404, 409, 410, 422, 429),
    },
    tags=["analyses"],
    summary="Read a timeline as CSV",
)
async def get_timeline(request: Request, analysis_id: AnalysisId, owner: Reader, uses: Uses) -> Response:
    """Get the windows of all faces as a table, one per line, once the analysis has succeeded (see docs/csv.md).

    Until it has ended, the answer is 409 with `not_ended`; if it has failed, its error.
    """
    job = await uses.follow.job(owner.own(analysis_id))
    return await table_response(request, uses, job)


@router.delete(
    "/analyses/{analysis_id}",
    status_code=204,
    response_description="Erased.",
    responses=problems(401, 403, 404, 410, 429),
    tags=["analyses"],
    summary="Cancel and erase an analysis",
)
async def delete_analysis(analysis_id: AnalysisId, owner: Sender, uses: Uses) -> None:
    """Cancel an analysis if it still runs, and erase its video and result."""
    await uses.cancel(owner.own(analysis_id))
