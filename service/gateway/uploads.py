"""Stream the video out of a request's body and refuse a body that is not a video early.

`multipart/form-data` (RFC 7578) is parsed from the stream; any other content type is the raw video. The container
is recognised by its first bytes, never by Content-Type or file name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from python_multipart.multipart import parse_options_header

from mien.contract.containers import HEAD_BYTES, UPLOAD_CONTAINERS, Container, is_accepted
from mien.contract.errors import EmptyUpload, MalformedBody, UnsupportedEncoding, UploadStalled, WrongField
from service.gateway.containers import check_container, too_large
from service.gateway.multipart_form import form_file
from service.gateway.sniff import UNKNOWN, as_text, file_kind

# Bytes that a form may add around its file.
FORM_OVERHEAD_BYTES = 64 << 10

# `curl -d @FILE` leaves these bytes out of the file. Every container has zeros: without any of them it is no video.
_STRIPPED = (b"\0", b"\r", b"\n")
_STRIPPED_BY_CURL = (
    "The file came without its zero bytes and line ends, as curl -d @FILE sends it, and cannot be read. Send it with "
    "curl --data-binary @FILE or -F video=@FILE."
)
_URL_ENCODED = b"application/x-www-form-urlencoded"
_FILE_NAME = re.compile(r"@?[^\s'\"{<=:]+\.\w{2,4}")
_FIELD = re.compile(rb"[\w.\[\]%+-]{1,40}=")


def check_encoding(header: str) -> None:
    """Check a request's `Content-Encoding` (RFC 9110, section 8.4).

    Videos are compressed already: decompressing would gain nothing, and a bomb could hide in it.

    Raises:
        UnsupportedEncoding: the body is encoded.
    """
    codings = [coding for name in header.split(",") if (coding := name.strip().lower()) not in {"", "identity"}]
    if codings:
        raise UnsupportedEncoding(
            f"The request says Content-Encoding: {', '.join(codings)[:40]}. Send the video as it is, without this "
            "header: it is compressed already."
        )


async def video_bytes(
    body: AsyncIterator[bytes],
    content_type: str,
    *,
    most_bytes: int,
    idle_s: float,
    most_s: float,
    containers: Sequence[Container] = UPLOAD_CONTAINERS,
) -> AsyncGenerator[bytes]:
    """Yield the video in a request's body.

    Args:
        body: the body as it arrives.
        content_type: the request's content type: `multipart/form-data` is parsed, others only help to name what came
            in place of a video. Empty where the bytes do not come from a body.
        most_bytes: the largest video in bytes.
        idle_s: the longest wait for the next piece, in seconds.
        most_s: the longest upload, in seconds.
        containers: the containers that are taken.

    Raises:
        InvalidRequest: the body has no video, is malformed or timed out.
        UnsupportedContainer: the first bytes are not those of a supported container.
        UploadTooLarge: the video is larger than `most_bytes`.
    """
    arriving = _bounded(_in_time(body, idle_s, most_s), most_bytes)
    kind, parameters = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        arriving = form_file(arriving, parameters.get(b"boundary", b""))
    stripped = kind == _URL_ENCODED  # the default of curl -d
    head = b""
    size = 0
    async for piece in arriving:
        size += len(piece)
        if size > most_bytes:
            raise too_large(most_bytes)
        stripped = stripped and not any(byte in piece for byte in _STRIPPED)
        if len(head) >= HEAD_BYTES:
            yield piece
            continue
        head += piece
        if len(head) >= HEAD_BYTES:
            _check_head(head, kind, containers, stripped=stripped)
            yield head
    if size == 0:
        raise EmptyUpload("The upload has no bytes. Send a video file.")
    if len(head) < HEAD_BYTES:
        _check_head(head, kind, containers, stripped=stripped)
        yield head
    if stripped:
        raise MalformedBody(_STRIPPED_BY_CURL)


def _check_head(head: bytes, content_type: bytes, containers: Sequence[Container], *, stripped: bool) -> None:
    text = as_text(head)
    if text is not None and content_type and _FILE_NAME.fullmatch(text):
        raise MalformedBody(
            f"The body is the name of a file, '{text}', and not the file. With curl an @ makes it the file: "
            f"--data-binary @{text.lstrip('@')}. Send the file's bytes."
        )
    if text is not None and content_type == _URL_ENCODED and _FIELD.match(head):
        raise WrongField(
            f"The body is a form without a file: '{text}'. A file takes another kind of form, multipart/form-data: "
            "send it with curl -F video=@clip.mp4."
        )
    if text is None and stripped and file_kind(head) is UNKNOWN and not is_accepted(head[:HEAD_BYTES], containers):
        raise MalformedBody(_STRIPPED_BY_CURL)
    check_container(head, containers)


async def _in_time(body: AsyncIterator[bytes], idle_s: float, most_s: float) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + most_s
    pieces = aiter(body)
    while True:
        try:
            async with asyncio.timeout_at(min(end, loop.time() + idle_s)):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise UploadStalled("The upload stalled or took too long. Send it again.") from error
        if piece:
            yield piece


async def _bounded(body: AsyncIterator[bytes], most_bytes: int) -> AsyncGenerator[bytes]:
    # Bytes after a form's last boundary do not count as the file and could go on for ever.
    size = 0
    async for piece in body:
        size += len(piece)
        if size > most_bytes + FORM_OVERHEAD_BYTES:
            raise too_large(most_bytes)
        yield piece
