"""The client's end of the live door (`service.gateway.live_socket` says what goes through it)."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from mien.client.wire import nobody
from mien.contract.errors import BadFrame, MienError, Problem, SessionLost, Unexpected, from_problem
from mien.contract.live import MOST_FRAME_BYTES, LiveScored
from mien.contract.options import LiveOptions

Frame = tuple[float, bytes]
"""When it was taken, in seconds on a clock of your own that only goes forward, and the picture, as JPEG or PNG."""

_TIME = struct.Struct("!d")


async def watch_live(
    url: str, frames: AsyncIterable[Frame], options: LiveOptions, key: str | None = None
) -> AsyncGenerator[LiveScored]:
    """Send frames to the service at `url` and give each window as it is scored; see `AsyncMien.live`."""
    address = url.replace("http", "ws", 1).rstrip("/") + "/live"
    try:
        socket = await connect(address, compression=None)  # pictures are compressed already
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise nobody(url) from error
    async with socket:
        broken: list[Exception] = []
        first = {"options": options.model_dump(mode="json", exclude_defaults=True)} | ({"key": key} if key else {})
        feeding = asyncio.create_task(_feed(socket, frames, first, broken))
        try:
            async for message in socket:
                if (scored := _scored(message)) is None:
                    return
                yield scored
        except ConnectionClosed:
            pass
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        if broken:
            raise broken[0]
        raise SessionLost("The connection was closed before the end. Begin another live analysis.", 1)


async def _feed(
    socket: ClientConnection, frames: AsyncIterable[Frame], first: dict[str, Any], broken: list[Exception]
) -> None:
    try:
        await socket.send(json.dumps(first))
        async for time_s, picture in frames:
            if len(picture) > MOST_FRAME_BYTES:
                raise BadFrame(f"A picture has {MOST_FRAME_BYTES} bytes at most; this one has {len(picture)}.")
            await socket.send(_TIME.pack(time_s) + picture)
        await socket.send(json.dumps({"end": True}))
    except ConnectionClosed:  # what the service had to say of it is read by the other half
        return
    except Exception as error:
        broken.append(error)
        await socket.close()


def _scored(message: str | bytes) -> LiveScored | None:
    """Return what the service tells; None at the end.

    Raises:
        MienError: the service's error.
    """
    try:
        told = json.loads(message)
        kind = told.pop("event")
        if kind == "problem":
            error: MienError = from_problem(Problem.model_validate(told))
        else:
            return None if kind == "ended" else LiveScored.model_validate(told)
    except (ValueError, KeyError, AttributeError, ValidationError):
        error = Unexpected("What answers is not Mien. Name the service with --url or MIEN_URL.")
    raise error
