"""The WebSocket of live analyses, for browsers.

    up    text    {"options": {…}, "key": "mien_…"}, the first message; the key only if the service needs one
          binary  a frame: its time in seconds, float64 big-endian, then a JPEG or PNG picture
          text    {"end": true}, after the last frame
    down  text    {"event": "window", "window": {…}, "dropped_frames": n}; the window's `box` is in pixels of the frames
                  {"event": "ended"}, when all frames are analysed; then the socket is closed with 1000
                  {"event": "problem", …}, an error as in REST; then the socket is closed with 1008, or 1013: try later

A message that is too large closes the socket with 1009.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from mien.contract.api_keys import Scope
from mien.contract.errors import AnswerNotRead, BadFrame, MalformedBody, MienError, Unavailable, UploadStalled
from mien.contract.live_messages import MOST_FRAME_BYTES, Encoding, LiveFrame
from mien.contract.options import LiveOptions
from service.gateway.connections import source_of
from service.gateway.error_mapping import http_problem, http_status, invalid_option, unexpected
from service.gateway.metrics import REQUEST_SECONDS, REQUESTS
from service.gateway.request_context import request_id_of
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.authenticate import Owner

log = structlog.get_logger()

MOST_MESSAGE_BYTES = MOST_FRAME_BYTES + 1024

_TIME = struct.Struct("!d")
_MAGIC = {b"\xff\xd8\xff": Encoding.JPEG, b"\x89PNG": Encoding.PNG}
_FORM = "A frame is a binary message: its time in seconds (8 bytes, float64, big-endian), then a JPEG or PNG picture."
_REFUSED, _TRY_AGAIN = 1008, 1013  # RFC 6455, 7.4.1, and IANA's registry of close codes

router = APIRouter()


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Score live frames."""
    request_id = request_id_of(socket.headers.get("x-request-id", ""))
    started, status = time.perf_counter(), 101
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        await socket.accept()
        try:
            await _serve(socket)
        except WebSocketDisconnect:
            pass
        except MienError as error:
            status = http_status(error)
            await _refuse(socket, error, request_id)
        except Exception as error:
            log.error("defect", exc_info=error)  # noqa: TRY400 - with the traceback, as it says
            status = 500
            await _refuse(socket, unexpected(), request_id)
        finally:
            elapsed = time.perf_counter() - started
            REQUESTS.labels("/live", "websocket", status).inc()
            REQUEST_SECONDS.labels("/live").observe(elapsed)
            log.info("request", method="websocket", route="/live", status=status, seconds=round(elapsed, 3))


async def _serve(socket: WebSocket) -> None:
    uses: UseCases = socket.app.state.use_cases
    idle_s = uses.settings.upload_idle_s
    owner, options = await _begin(socket, uses, idle_s)
    async with owner.while_valid(), aclosing(uses.live(owner, options, _frames(socket))) as scored:
        async for found in scored:
            await _send(socket, {"event": "window", **found.model_dump(mode="json", exclude_unset=True)}, idle_s)
    await _send(socket, {"event": "ended"}, idle_s)
    await socket.close()


async def _begin(socket: WebSocket, uses: UseCases, idle_s: float) -> tuple[Owner, LiveOptions]:
    try:
        async with asyncio.timeout(idle_s):
            first = _parsed(await _receive(socket))
    except TimeoutError as error:
        raise UploadStalled(
            f'No message came within {idle_s:g} s. Connect again and send {{"options": {{}}}} first.'
        ) from error
    if not isinstance(first, dict) or not {"options"} <= set(first) <= {"options", "key"}:
        raise MalformedBody('The first message must be a text: {"options": {}}, which may hold options.')
    key = first.get("key")
    address = source_of(socket.client.host) if socket.client else ""
    authorization = f"Bearer {key}" if key else socket.headers.get("authorization")
    owner = await uses.authenticate(authorization, Scope.ANALYZE, address)
    try:
        return owner, LiveOptions.model_validate(first["options"])
    except ValidationError as error:
        raise invalid_option(error.errors()[0]) from error


async def _frames(socket: WebSocket) -> AsyncGenerator[LiveFrame]:
    while isinstance(message := await _receive(socket), bytes):
        if len(message) < _TIME.size:
            raise BadFrame(_FORM)
        picture = message[_TIME.size :]
        encoding = _encoding(picture)
        if encoding is None and _encoding(message) is not None:
            raise BadFrame("The message is a picture only. Send its time before it: 8 bytes, a float64, big-endian.")
        if encoding is None:
            raise BadFrame(_FORM)
        yield LiveFrame(_TIME.unpack_from(message)[0], encoding, picture)
    if _parsed(message) != {"end": True}:
        raise MalformedBody(f'The only text after the options is {{"end": true}}, after the last frame. {_FORM}')


def _encoding(picture: bytes) -> Encoding | None:
    return next((kind for magic, kind in _MAGIC.items() if picture.startswith(magic)), None)


async def _receive(socket: WebSocket) -> bytes | str:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    found: bytes | str | None = message.get("bytes")
    return message["text"] if found is None else found


def _parsed(message: bytes | str) -> object:
    try:
        return json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):  # no JSON, or nested too deeply
        return None


async def _send(socket: WebSocket, message: dict[str, Any], idle_s: float) -> None:
    try:
        async with asyncio.timeout(idle_s):
            await socket.send_json(message)
    except TimeoutError as error:
        raise AnswerNotRead("The scores were not read in time. Start another live analysis.") from error


async def _refuse(socket: WebSocket, error: MienError, request_id: str) -> None:
    with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # the client may be gone
        async with asyncio.timeout(1):
            await socket.send_json({"event": "problem", **http_problem(error, request_id)})
            await socket.close(_TRY_AGAIN if isinstance(error, Unavailable) else _REFUSED)
