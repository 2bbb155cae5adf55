"""Around every request: who may send it, and what a browser may do with the answer."""

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
    # Swagger UI and Chart.js size what they draw by style attributes; scripts are files of ours only.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """ASGI middleware.

    A name that is not in `hosts` is refused: a page elsewhere could have its own name point here (DNS rebinding). A
    browser that changes something, or opens a socket, for a page of another origin is refused unless that origin is in
    `origins`, for browsers need no key to reach a service at home.

    Args:
        hosts: names without ports; "*" allows all.
        origins: as `https://example.org`.
        on_refused: makes the answer that tells an error.
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
                await send({"type": "websocket.close"})  # which the server answers with 403
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        error = self._refusal(scope)
        if error is None:
            await self._app(scope, receive, send_guarded)
        else:
            answer = await self._on_refused(Request(scope), error)
            await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> MienError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if scope["path"] not in PROBES and "*" not in self._hosts and name.lower() not in self._hosts:
            return HostNotAllowed(
                f"This service is not reached by the name '{name[:80]}'. Its operator can allow it: MIEN_ALLOWED_HOSTS."
            )
        origin = headers.get("origin")
        # A socket's page reads and writes, whatever its method; browsers leave that to the server to check.
        if scope.get("method") in _SAFE or origin in self._origins:
            return None
        if "authorization" in headers:  # which a browser does not send by itself
            return None
        # Programs send neither header; a browser sends one of them at least.
        elsewhere = origin is not None and origin.partition("://")[2] != host
        if elsewhere or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return CrossSite(
                "A page of another site may change nothing here. The operator can allow its origin: MIEN_CORS_ORIGINS."
            )
        return None
