"""Give every request an id, a line in the log and its metrics."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from http import HTTPMethod
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.gateway.metrics import REQUEST_SECONDS, REQUESTS

log = structlog.get_logger()

PROBES = ("/healthz", "/readyz", "/metrics")
"""Requested often by orchestrators, under any host name."""

# A client may send any token of up to 64 KB as its method, and every value of a label stays in memory.
_METHODS = frozenset(HTTPMethod)
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_of(given: str) -> str:
    """Return the client's request id if it is well-formed, else a new one."""
    return given if _GOOD_ID.fullmatch(given) else uuid4().hex


class RequestContext:
    """ASGI middleware. Accepts a well-formed `X-Request-ID` or makes one, and returns it with the response.

    Args:
        on_defect: makes the response for an unhandled exception.
    """

    def __init__(self, app: ASGIApp, on_defect: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self._app = app
        self._on_defect = on_defect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(Headers(scope=scope).get("x-request-id", ""))
        scope.setdefault("state", {})["request_id"] = request_id
        status = None
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                if status is not None:  # too late for another response
                    raise
                answer = await self._on_defect(Request(scope), error)
                await answer(scope, receive, send_with_id)
            finally:
                elapsed = time.perf_counter() - started
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                REQUESTS.labels(route, method, status or 500).inc()
                REQUEST_SECONDS.labels(route).observe(elapsed)
                tell = log.debug if route in PROBES else log.info
                tell("request", method=method, route=route, status=status or 500, seconds=round(elapsed, 3))
