"""The gRPC server: the service, health checks (`grpc.health.v1`) and reflection on one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mien.contract.errors import Misconfigured
from mien.contract.live_messages import MOST_FRAME_BYTES
from service.gateway.rpc.affect_service import AffectService
from service.gateway.rpc.call_limits import CallLimits
from service.gateway.rpc.messages import MOST_MESSAGE_BYTES
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.job_notifier import Stage
from service.pb.affect.v1 import affect_pb2, affect_pb2_grpc

log = structlog.get_logger()

_NAME = affect_pb2.DESCRIPTOR.services_by_name["AffectService"].full_name
_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second gateway on the same port must fail, not share it
    ("grpc.max_receive_message_length", MOST_FRAME_BYTES + 1024),
    ("grpc.max_send_message_length", MOST_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 << 10),
    # A client that vanished is detected within 80 seconds.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.max_connection_idle_ms", 60_000),
    # Running calls continue; clients connect anew, so that added gateways get connections.
    ("grpc.max_connection_age_ms", 3_600_000),
]

_STREAMS_END_S = 1.0  # for streams that have not ended by then to end with an error


@asynccontextmanager
async def serving_grpc(uses: UseCases) -> AsyncIterator[None]:
    """Serve gRPC until the context exits; then running calls have `drain_s` seconds to finish.

    Raises:
        Misconfigured: the port is in use.
    """
    settings = uses.settings
    # Calls beyond the limit are refused early: each may hold memory for messages that its client does not read.
    server = grpc.aio.server(
        interceptors=[CallLimits(settings.grpc_calls_per_address, settings.upload_idle_s, f"/{_NAME}/")],
        options=[
            *_OPTIONS,
            ("grpc.server_handshake_timeout_ms", round(1000 * settings.head_s)),
            ("grpc.max_allowed_incoming_connections", settings.connections_max),
        ],
        maximum_concurrent_rpcs=settings.grpc_max_calls,
    )
    affect_pb2_grpc.add_AffectServiceServicer_to_server(AffectService(uses), server)
    lives = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(lives, server)
    reflection.enable_server_reflection((_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        port = server.add_insecure_port(f"{address}:{settings.grpc_port}")
    except RuntimeError as error:
        raise Misconfigured(
            f"gRPC cannot listen on port {settings.grpc_port}: it is in use. Set MIEN_GRPC_PORT to another port."
        ) from error
    await server.start()
    for name in ("", _NAME):
        await lives.set(name, health_pb2.HealthCheckResponse.SERVING)
    log.info("listening", protocol="grpc", port=port)
    leaving = asyncio.create_task(_report_shutdown(uses, lives))
    try:
        yield
    finally:
        leaving.cancel()
        await lives.enter_graceful_shutdown()
        stopping = asyncio.create_task(server.stop(settings.drain_s))
        await asyncio.wait([stopping], timeout=max(0.0, settings.drain_s - _STREAMS_END_S))
        uses.notifier.enter(Stage.ENDING)
        await stopping


async def _report_shutdown(uses: UseCases, lives: health.aio.HealthServicer) -> None:
    await uses.notifier.shutdown_begun()
    await lives.enter_graceful_shutdown()
