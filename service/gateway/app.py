"""The gateway's app, and the server that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import start_http_server
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from mien import __version__
from mien.contract.errors import InvalidOption, MethodNotAllowed, MienError, Misconfigured, NoSuchPage, UnknownOption
from service.environment import read_settings
from service.gateway.composition import compose
from service.gateway.connections import ConnectionLimits, allow_descriptors, bounded_http
from service.gateway.error_mapping import code_table, invalid_option, unexpected
from service.gateway.host_check import HostAndOriginCheck
from service.gateway.lingering_close import LingeringClose
from service.gateway.live_protocol import LiveProtocol
from service.gateway.live_socket import MOST_MESSAGE_BYTES
from service.gateway.live_socket import router as live_router
from service.gateway.openapi import CONTACT, LICENCE, SERVERS, TAGS, describe, operation_id
from service.gateway.pages import add_pages
from service.gateway.request_context import RequestContext
from service.gateway.rest.parameters import check_repeated_options, option_names
from service.gateway.rest.responses import problem_response
from service.gateway.rest.routers import ROUTERS
from service.gateway.rpc.server import serving_grpc
from service.gateway.settings import GatewaySettings
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.job_notifier import Stage
from service.gateway.write_timeout import WriteTimeout
from service.queue.connection import connect_async
from service.telemetry.logs import configure_logs
from service.telemetry.traces import configure_traces

log = structlog.get_logger()

_RESTART_S = 5.0

_DESCRIPTION = """\
Times are seconds of the video's own clock. Valence, arousal and dominance are in [−1, 1], probabilities and traits in
[0, 1], boxes in pixels of the upright frame.

Errors are `application/problem+json` (RFC 9457). Their `code` is for programs and never changes its meaning; `detail`
says what happened and what to do. The statuses 429 and 503 come with `Retry-After`.

<details>
<summary>All error codes</summary>

{codes}

</details>
"""


async def _keep_running(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run background work until cancelled, and again after a pause if a defect ends it."""
    while True:
        try:
            await work()
        except Exception:  # whatever it is, the gateway goes on, and needs this work
            log.exception("background work broke")
        await asyncio.sleep(_RESTART_S)


def create_app(settings: GatewaySettings) -> FastAPI:
    """Return the app; connections are made when it starts."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        redis = connect_async(settings.redis_url, settings.redis_password_file)
        uses, background = compose(settings, redis)
        app.state.use_cases = uses
        tasks = [asyncio.create_task(_keep_running(work)) for work in background]
        try:
            async with serving_grpc(uses):
                with _serving_metrics(settings):
                    yield
        except Misconfigured as error:
            log.error("cannot start", reason=error.detail)  # noqa: TRY400 - the sentence says it
            raise
        await _end(tasks)
        await redis.aclose()

    app = FastAPI(
        title="Mien",
        summary="What faces in a video show over time: expression, valence and arousal, apparent personality.",
        description=_DESCRIPTION.format(codes=code_table()),
        version=__version__,
        lifespan=lifespan,
        license_info=LICENCE,
        contact=CONTACT,
        servers=SERVERS,
        openapi_tags=TAGS,
        generate_unique_id_function=operation_id,
        docs_url=None,
        redoc_url=None,
    )
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(check_repeated_options)])
    app.include_router(live_router)
    add_pages(app, upload_max_bytes=settings.upload_max_bytes)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer"],
            expose_headers=["Location", "Retry-After", "X-Request-ID"],
        )
    app.add_middleware(
        HostAndOriginCheck, hosts=settings.allowed_hosts, origins=settings.cors_origins, on_refused=_on_error
    )
    app.add_middleware(RequestContext, on_defect=_on_defect)
    app.add_middleware(LingeringClose)
    app.add_middleware(WriteTimeout, idle_s=settings.upload_idle_s)
    app.add_exception_handler(MienError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    describe(app)
    return app


@contextlib.contextmanager
def _serving_metrics(settings: GatewaySettings) -> Iterator[None]:
    if not settings.gateway_metrics_port:
        yield
        return
    try:
        server, _ = start_http_server(settings.gateway_metrics_port, settings.metrics_host)
    except OSError as error:
        raise Misconfigured(
            f"{settings.metrics_host}:{settings.gateway_metrics_port} cannot be listened on: {error.strerror}. "
            "Set MIEN_GATEWAY_METRICS_PORT."
        ) from error
    yield
    server.shutdown()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    # redis-py swallows a cancellation that arrives while it connects: repeat it until the task ends.
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MienError)  # noqa: S101 - what it is registered for
    return problem_response(request, error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        known = ", ".join(option_names(request))
        name = str(first["loc"][1])
        return problem_response(request, UnknownOption(f"Unknown option '{name[:40]}'. Choose from {known}."))
    return problem_response(request, invalid_option(first))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    if error.status_code == 405:
        # Starlette names the methods of one route only; an address may have several.
        routes = [route for router in ROUTERS for route in router.routes]
        matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
        allowed = ", ".join(
            sorted({name for route in matching for name in getattr(route, "methods", ())}) or ["GET", "HEAD"]
        )
        detail = f"{request.method[:20]} is not allowed at this address. Send one of: {allowed}."
        answer = problem_response(request, MethodNotAllowed(detail))
        answer.headers["Allow"] = allowed
        return answer
    if error.status_code == 204:
        return Response(status_code=204)
    if error.status_code == 404:
        return problem_response(request, NoSuchPage("There is nothing at this address. The API is described at /docs."))
    return problem_response(request, InvalidOption(str(error.detail)))


async def _on_disconnect(request: Request, _: Exception) -> JSONResponse:
    # The client cannot read it; the log line needs a status.
    return problem_response(request, InvalidOption("The client went away."))


async def _on_defect(request: Request, error: Exception) -> JSONResponse:
    log.error("defect", exc_info=error)
    return problem_response(request, unexpected())


class _Server(uvicorn.Server):
    """Leave first on a signal to stop, then drain, and exit by returning rather than by the signal.

    A second signal drains at once.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        uses: UseCases | None = getattr(self.config.app.state, "use_cases", None)  # type: ignore[union-attr]
        if uses is None:
            super().handle_exit(sig, frame)
            return

        def drain() -> None:
            uses.notifier.enter(Stage.DRAINING)
            super(_Server, self).handle_exit(sig, frame)

        if uses.notifier.stage > Stage.SERVING or not uses.settings.unready_s:
            drain()
        else:
            uses.notifier.enter(Stage.LEAVING)
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(loop.call_later, uses.settings.unready_s, drain)


def main() -> int:
    """Run a gateway until SIGTERM or SIGINT; return the exit code (2: the configuration is not valid)."""
    os.umask(0o077)
    try:
        settings = read_settings(GatewaySettings)
    except Misconfigured as error:
        configure_logs("gateway", "info")
        log.error("cannot start", reason=error.detail)  # noqa: TRY400 - the sentence says it; a traceback would bury it
        return 2
    configure_logs("gateway", settings.log_level)
    configure_traces("gateway", settings.otlp_endpoint)
    limits = ConnectionLimits(
        settings.connections_max, settings.connections_per_address, settings.head_s, settings.upload_idle_s
    )
    allow_descriptors(limits)
    server = _Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            # h11 limits the size of a request's head; httptools is faster, but would buffer a head of any size.
            http=bounded_http(limits),
            ws=LiveProtocol,
            ws_max_size=MOST_MESSAGE_BYTES,
            ws_per_message_deflate=False,  # pictures are compressed, and a message could be a decompression bomb
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(settings.drain_s),
        )
    )
    with contextlib.suppress(SystemExit):
        # uvicorn's own way to say that it cannot listen; the log has the reason.
        server.run()
    return 0 if server.started else 2
