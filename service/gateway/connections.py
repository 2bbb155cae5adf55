"""Limit HTTP connections: their number, their number from one address, and how long they may be silent or unread."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import resource
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.contract.errors import MienError, TooManyConnections, UploadStalled
from service.gateway.error_mapping import MEDIA_TYPE, http_headers, http_problem, http_status
from service.gateway.metrics import REFUSALS
from service.gateway.request_context import request_id_of

log = structlog.get_logger()

_LINGER_S = 1.0
_MOST_LINGERING = 100
_OTHER_DESCRIPTORS = 256  # logs, Redis, the store, gRPC


@dataclass
class ConnectionLimits:
    """The limits of one gateway's connections.

    Attributes:
        most: maximum number of connections.
        most_per_address: maximum number of connections from one address.
        head_s: seconds for a request's head to arrive, from the connection's beginning or the last response's end.
        unread_s: seconds within which a client must read some of what is left to send on a connection that closes.
        lingering: refused connections that wait for their client to read why.
    """

    most: int
    most_per_address: int
    head_s: float
    unread_s: float
    lingering: set[asyncio.Transport] = field(default_factory=set)


@lru_cache(maxsize=4096)
def source_of(host: str) -> str:
    """Return the address under which a client is counted: IPv4, or the /64 network of IPv6, which one host can have."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.IPv6Network((address, 64), strict=False))
    return host


def allow_descriptors(limits: ConnectionLimits) -> None:
    """Raise the process's limit of open files to what the connections need, where the system allows it."""
    needed = limits.most + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < needed:
            log.warning(
                "few descriptors", allowed=most, needed=needed, hint="raise ulimit -n or lower MIEN_CONNECTIONS_MAX"
            )


def bounded_http(limits: ConnectionLimits) -> type[H11Protocol]:
    """Return uvicorn's protocol of HTTP/1.1 under these limits."""
    return type("BoundedHTTP", (_Connection,), {"limits": limits})


class _Connection(H11Protocol):
    """One connection.

    At a limit, a new connection replaces the one that has been silent for longest, so that silent connections cannot
    block the service. If all connections carry requests, the new one is refused at once.
    """

    limits: ConnectionLimits
    _timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle
    waiting_since = 0.0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._await_head()
        self._unread_timer = self.loop.call_later(self.limits.unread_s, self._abort_if_unread, None)
        full = self._full()
        if full is None:
            return
        limit, candidates = full
        silent = [one for one in candidates if isinstance(one, _Connection) and one is not self and one.silent]
        if silent:
            min(silent, key=lambda one: one.waiting_since).end()
        else:
            self._refuse(limit)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self._unread_timer.cancel()
        self.limits.lingering.discard(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.busy:
            self._cancel_timer()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._cancel_timer()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        self._await_head()
        super().on_response_complete()

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def silent(self) -> bool:
        """Whether no request is under way, the last response is sent, and closing the connection frees its socket."""
        return not (self.busy or self.transport.is_closing() or self.transport.get_write_buffer_size())

    def _full(self) -> tuple[str, Iterable[Any]] | None:
        """Return the limit that is exceeded and the connections of which one must be closed; None if there is room."""
        if len(self.connections) > self.limits.most:
            return "connections", self.connections
        if self.client is None:  # a Unix socket
            return None
        source = source_of(self.client[0])
        own = [one for one in self.connections if (its := getattr(one, "client", None)) and source_of(its[0]) == source]
        return ("address_connections", own) if len(own) > self.limits.most_per_address else None

    def _await_head(self) -> None:
        self._cancel_timer()
        self.waiting_since = self.loop.time()
        self._timer = self.loop.call_later(self.limits.head_s, self._head_timed_out)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_timed_out(self) -> None:
        if self.busy or self.transport.is_closing():
            return
        begun = bool(self.conn.trailing_data[0])
        if begun and self.conn.our_state is h11.IDLE:
            self._send_error(
                UploadStalled(f"The request's head did not arrive within {self.limits.head_s:g} s. Send it again.")
            )
        self.end()

    def end(self) -> None:
        """Close the connection."""
        self._cancel_timer()
        self.transport.close()

    def _abort_if_unread(self, unsent_before: int | None) -> None:
        """Abort the connection if it writes nothing more and its client has read nothing since the last call.

        A closed transport keeps its socket until everything is sent, so for ever if the client never reads, and the
        response to a pipelined request begins no sooner. A WebSocket that takes the transport over is watched, too.
        """
        closing, unsent = self.transport.is_closing(), self.transport.get_write_buffer_size()
        if closing and not unsent:
            return
        writes_more = not (closing or (self.busy and not self.cycle.response_started))
        if unsent and not writes_more and unsent == unsent_before:
            self.transport.abort()
            return
        before = None if writes_more else unsent
        self._unread_timer = self.loop.call_later(self.limits.unread_s, self._abort_if_unread, before)

    def _refuse(self, limit: str) -> None:
        self._refused = True
        self._cancel_timer()
        self.connections.discard(self)
        REFUSALS.labels(f"full_{limit}").inc()
        who = "This address" if limit == "address_connections" else "The service"
        self._send_error(TooManyConnections(f"{who} has the maximum number of connections. Try again later.", 5))
        if len(self.limits.lingering) >= _MOST_LINGERING:
            self.transport.close()
            return
        # Closing a connection with unread data would reset it before the client has read the response.
        self.transport.write_eof()
        self.limits.lingering.add(self.transport)
        self.loop.call_later(_LINGER_S, self.transport.abort)

    def _send_error(self, error: MienError) -> None:
        request_id = request_id_of("")
        body = json.dumps(http_problem(error, request_id)).encode()
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Request-ID": request_id,
            **http_headers(error),
        }
        lines = [
            f"HTTP/1.1 {http_status(error)} {error.title}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
