"""Check the Host and Origin of every request, and set the security headers of every response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.contract.errors import CrossSite, HostNotAllowed, MienError
from service.gateway.request_context import PROBES

_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    # Swagger UI sets sizes in style attributes; scripts come from this service only.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class HostAndOriginCheck:
    """ASGI middleware against DNS rebinding and cross-site requests.

    A request for a host that is not in `hosts` is refused (DNS rebinding). A request that changes something, or opens a
    WebSocket, from a page of another origin is refused unless `origins` has that origin: on loopback addresses no API
    key protects the service from other sites' pages (CSRF).

    Args:
        hosts: host names without ports; "*" allows all.
        origins: such as `https://example.org`.
        on_refused: makes the response for an error.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Sequence[str],
        origins: Sequence[str],
        on_refused: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)
        self._on_refused = on_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            if self._refusal(scope) is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close"})  # the server responds with 403
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        error = self._refusal(scope)
        if error is None:
            await self._app(scope, receive, send_with_headers)
        else:
            answer = await self._on_refused(Request(scope), error)
            await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> MienError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if scope["path"] not in PROBES and "*" not in self._hosts and name.lower() not in self._hosts:
            return HostNotAllowed(
                f"The host name '{name[:80]}' is not allowed. The operator can add it to MIEN_ALLOWED_HOSTS."
            )
        origin = headers.get("origin")
        # A WebSocket reads and writes whatever its method; browsers leave its origin to the server to check.
        if scope.get("method") in _SAFE or origin in self._origins:
            return None
        if "authorization" in headers:  # browsers never send it by themselves
            return None
        # Browsers send at least one of these headers, other clients none.
        elsewhere = origin is not None and origin.partition("://")[2] != host
        if elsewhere or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return CrossSite(
                "Pages of other sites may not change anything. The operator can add their origin to MIEN_CORS_ORIGINS."
            )
        return None
