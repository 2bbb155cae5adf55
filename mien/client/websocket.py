"""The WebSocket client of live analyses (the messages are described in `service.gateway.live_socket`)."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from mien.client.responses import unreachable
from mien.contract.errors import BadFrame, MienError, Problem, SessionLost, Unexpected, from_problem
from mien.contract.live_messages import MOST_FRAME_BYTES, LiveScored
from mien.contract.options import LiveOptions

Frame = tuple[float, bytes]
"""A time stamp in seconds, on any clock that only goes forward, and the picture as JPEG or PNG."""

_TIME = struct.Struct("!d")


async def watch_live(
    url: str, frames: AsyncIterable[Frame], options: LiveOptions, key: str | None = None
) -> AsyncGenerator[LiveScored]:
    """Send frames to the service at `url` and yield each window as it is scored; see `AsyncMien.live`."""
    address = url.replace("http", "ws", 1).rstrip("/") + "/live"
    try:
        socket = await connect(address, compression=None)  # pictures are compressed already
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise unreachable(url, error) from error
    async with socket:
        errors: list[Exception] = []
        first = {"options": options.model_dump(mode="json", exclude_defaults=True)} | ({"key": key} if key else {})
        sender = asyncio.create_task(_send_frames(socket, frames, first, errors))
        try:
            async for message in socket:
                if (scored := _parse(message)) is None:
                    return
                yield scored
        except ConnectionClosed:
            pass
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        if errors:
            raise errors[0]
        raise SessionLost("The connection was closed before the end. Start another live analysis.", 1)


async def _send_frames(
    socket: ClientConnection, frames: AsyncIterable[Frame], first: dict[str, Any], errors: list[Exception]
) -> None:
    try:
        await socket.send(json.dumps(first))
        async for time_s, picture in frames:
            if len(picture) > MOST_FRAME_BYTES:
                raise BadFrame(f"A picture may have {MOST_FRAME_BYTES} bytes at most; this one has {len(picture)}.")
            await socket.send(_TIME.pack(time_s) + picture)
        await socket.send(json.dumps({"end": True}))
    except ConnectionClosed:  # the receiving half reads the reason
        return
    except Exception as error:
        errors.append(error)
        await socket.close()


def _parse(message: str | bytes) -> LiveScored | None:
    """Parse a message of the service; None at the end.

    Raises:
        MienError: the service's error.
    """
    try:
        fields = json.loads(message)
        kind = fields.pop("event")
        if kind == "problem":
            error: MienError = from_problem(Problem.model_validate(fields))
        else:
            return None if kind == "ended" else LiveScored.model_validate(fields)
    except (ValueError, KeyError, AttributeError, ValidationError):
        error = Unexpected("The server is not Mien. Give the address of a Mien service.")
    raise error
