"""The service's status: models, probes, metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from mien.contract.workers import Models
from service.gateway.error_mapping import MEDIA_TYPE, NotReady, http_headers, http_problem, http_status
from service.gateway.openapi import problems
from service.gateway.rest.parameters import Operator, Reader, Uses
from service.gateway.usecases.service_status import Readiness

router = APIRouter()

_NOT_READY = {"$ref": f"#/components/schemas/{NotReady.__name__}"}


class Health(BaseModel):
    """The process is running."""

    status: str = Field(description="`ok`.", examples=["ok"])


@router.get(
    "/models",
    response_description="The models that are served now, and the number of workers.",
    responses=problems(401, 403, 429),
    tags=["service"],
    summary="List the models",
)
async def list_models(_: Reader, uses: Uses) -> Models:
    """List the models that live workers serve."""
    return await uses.status.models()


@router.get(
    "/healthz",
    response_description="The process is running.",
    responses=problems(),
    tags=["service"],
    summary="Liveness probe",
)
async def get_health() -> Health:
    """Report that the process is running."""
    return Health(status="ok")


@router.get(
    "/readyz",
    response_model=Readiness,
    response_description="The service accepts jobs.",
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
    body = NotReady(**problem, failing=failing, works=found.works)
    content = body.model_dump_json(exclude_none=True)
    return Response(content, http_status(first), http_headers(first), MEDIA_TYPE)


@router.get("/metrics", include_in_schema=False)
async def metrics(_: Operator, uses: Uses) -> Response:
    """Return the metrics in Prometheus' text format."""
    await uses.update_metrics()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
