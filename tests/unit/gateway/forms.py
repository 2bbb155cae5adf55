"""Request bodies for tests: multipart forms, and the video that is read from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from service.gateway.uploads import video_bytes

BOUNDARY = b"----mien-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"
RAW = "application/octet-stream"

MP4_HEAD = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"


def part(content: bytes, name: str = "video", *, filename: str | None = "clip.mp4") -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    head = f"Content-Disposition: {disposition}\r\nContent-Type: video/mp4\r\n\r\n"
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


async def arriving(pieces: Iterable[bytes], pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(pause_s)
        yield piece


def read(
    pieces: Iterable[bytes],
    content_type: str = RAW,
    *,
    most_bytes: int = 1 << 20,
    idle_s: float = 5,
    most_s: float = 5,
    pause_s: float = 0.0,
) -> bytes:
    """Return the video that `video_bytes` finds in a body that arrives in these pieces."""

    async def gather() -> bytes:
        video = video_bytes(
            arriving(pieces, pause_s), content_type, most_bytes=most_bytes, idle_s=idle_s, most_s=most_s
        )
        return b"".join([piece async for piece in video])

    return asyncio.run(gather())
