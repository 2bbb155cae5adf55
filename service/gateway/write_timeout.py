"""Write timeout: disconnect clients that stop reading their response."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

# uvicorn buffers any message at once and applies back-pressure only to the next one, so bodies go in pieces.
_PIECE_BYTES = 1 << 18


class WriteTimeout:
    """ASGI middleware. Closes the connection if a client reads nothing of its response for `idle_s` seconds.

    Otherwise slow readers could hold memory and connections for as long as they like.
    """

    def __init__(self, app: ASGIApp, idle_s: float) -> None:
        self._app = app
        self._idle_s = idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cut = False

        async def send_or_cut(message: Message) -> None:
            nonlocal cut
            try:
                for piece in _pieces(message):
                    async with asyncio.timeout(self._idle_s):
                        await send(piece)
            except TimeoutError:
                cut = True
                raise

        try:
            await self._app(scope, receive, send_or_cut)
        except Exception:  # streams send from a task group, which raises an ExceptionGroup
            if not cut:
                raise
            # The server closes the connection of an incomplete response.
            log.info("answer not read", path=scope["path"])


def _pieces(message: Message) -> Iterator[Message]:
    body = message.get("body", b"")
    for start in range(0, len(body) - _PIECE_BYTES, _PIECE_BYTES):
        yield {**message, "body": body[start : start + _PIECE_BYTES], "more_body": True}
    yield {**message, "body": body[-(len(body) % _PIECE_BYTES or _PIECE_BYTES) :]} if body else message
