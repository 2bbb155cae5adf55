"""Around every request: an answer that comes before the body was read must still reach its client."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_S = 30.0
_IDLE_S = 5.0


class Linger:
    """ASGI middleware. Sends an early answer at once, then reads on and drops what arrives, for a bounded time.

    A client that looks for the answer only when it has sent all would otherwise meet a closed connection, and a
    client that never ends would be read for ever. The connection is closed after an early answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # RFC 9112, section 6.1: what follows such a request may be another one that was smuggled in.
        ambiguous = "transfer-encoding" in headers and "content-length" in headers
        unread = True
        early = False

        async def receive_noted() -> Message:
            nonlocal unread
            message = await receive()
            unread = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def send_and_linger(message: Message) -> None:
            nonlocal early
            if message["type"] == "http.response.start" and (unread or ambiguous):
                early = unread
                MutableHeaders(scope=message)["Connection"] = "close"
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not (early and last):
                await send(message)
                return
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_MOST_S):
                    while unread:
                        async with asyncio.timeout(_IDLE_S):
                            await receive_noted()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, receive_noted, send_and_linger)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
