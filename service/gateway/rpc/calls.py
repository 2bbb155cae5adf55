"""Wrap every gRPC call: request id, log line, metrics, trace and error status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc
import structlog
from grpc.aio import ServicerContext
from opentelemetry.trace import SpanKind

from mien.contract.errors import MienError
from service.gateway.error_mapping import grpc_code, grpc_status, unexpected
from service.gateway.metrics import REQUEST_SECONDS, REQUESTS
from service.gateway.request_context import request_id_of
from service.gateway.rpc.words import in_grpc_words
from service.telemetry.traces import span

log = structlog.get_logger()

Context = ServicerContext[Any, Any]


@asynccontextmanager
async def call(name: str, context: Context) -> AsyncIterator[None]:
    """Run the body of a call and translate its errors to a status with details (see `grpc_status`).

    The request id is the metadata `x-request-id` or a new id. It is in the log and in the trailing metadata.
    """
    given = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    request_id = request_id_of(given.get("x-request-id", ""))
    code = grpc.StatusCode.OK
    started = time.perf_counter()
    context.set_trailing_metadata((("x-request-id", request_id),))
    with (
        structlog.contextvars.bound_contextvars(request_id=request_id),
        span(f"affect.v1.AffectService/{name}", parent=given.get("traceparent", ""), kind=SpanKind.SERVER) as current,
    ):
        try:
            yield
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except MienError as error:
            code = grpc_code(error)
            await abort(context, error, request_id)
        except Exception as error:
            log.error("defect", exc_info=error)  # noqa: TRY400 - exc_info logs the traceback
            code = grpc.StatusCode.INTERNAL
            await abort(context, unexpected(), request_id)
        finally:
            elapsed = time.perf_counter() - started
            current.set_attribute("rpc.grpc.status_code", code.value[0])
            REQUESTS.labels(name, "grpc", code.name).inc()
            REQUEST_SECONDS.labels(name).observe(elapsed)
            log.info("request", method="grpc", route=name, status=code.name, seconds=round(elapsed, 3))


async def abort(context: Context, error: MienError, request_id: str) -> NoReturn:
    """End a call with an error's status and details."""
    error.detail = in_grpc_words(error.detail)
    status = grpc_status(error, request_id)
    trailing = (("grpc-status-details-bin", status.SerializeToString()), ("x-request-id", request_id))
    await context.abort(grpc_code(error), error.detail, trailing)
