"""Lingering close: a response that is sent before the body was read must still reach its client."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MAX_DRAIN_S = 30.0
_IDLE_S = 5.0


class LingeringClose:
    """ASGI middleware. Sends an early response at once, then drains the unread body for a bounded time, then closes.

    Without draining, a client that reads the response only after it has sent everything would meet a closed connection
    (RFC 9112, section 9.6); without a bound, a client could be read for ever.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # RFC 9112, section 6.1: another request may be smuggled in after this one.
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
                async with asyncio.timeout(_MAX_DRAIN_S):
                    while unread:
                        async with asyncio.timeout(_IDLE_S):
                            await receive_noted()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, receive_noted, send_and_linger)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
