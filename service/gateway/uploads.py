"""Stream the video out of a request's body and refuse a body that is not a video early.

`multipart/form-data` (RFC 7578) is parsed from the stream; any other content type is the raw video. The container
is recognised by its first bytes, never by Content-Type or file name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mien.contract.containers import HEAD_BYTES
from mien.contract.errors import EmptyUpload, MalformedBody, UploadStalled, WrongField
from service.gateway.containers import check_container, too_large

FIELD = "video"

# Bytes that a form may add around its file.
FORM_OVERHEAD_BYTES = 64 << 10


async def video_bytes(
    body: AsyncIterator[bytes], content_type: str, *, most_bytes: int, idle_s: float, most_s: float
) -> AsyncGenerator[bytes]:
    """Yield the video in a request's body.

    Args:
        body: the body as it arrives.
        content_type: the request's content type; only `multipart/form-data` matters.
        most_bytes: the largest video in bytes.
        idle_s: the longest wait for the next piece, in seconds.
        most_s: the longest upload, in seconds.

    Raises:
        InvalidRequest: the body has no video, is malformed or timed out.
        UnsupportedContainer: the first bytes are not those of a supported container.
        UploadTooLarge: the video is larger than `most_bytes`.
    """
    arriving = _bounded(_in_time(body, idle_s, most_s), most_bytes)
    kind, parameters = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        arriving = _form_file(arriving, parameters.get(b"boundary", b""))
    head = b""
    size = 0
    async for piece in arriving:
        size += len(piece)
        if size > most_bytes:
            raise too_large(most_bytes)
        if len(head) >= HEAD_BYTES:
            yield piece
            continue
        head += piece
        if len(head) >= HEAD_BYTES:
            check_container(head)
            yield head
    if size == 0:
        raise EmptyUpload("The upload has no bytes. Send the video as the form field 'video' or as the body.")
    if len(head) < HEAD_BYTES:
        check_container(head)
        yield head


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


class _Form:
    """The parser's callbacks: collect the bytes of the file in the field `video` and refuse other fields."""

    def __init__(self, boundary: bytes) -> None:
        self._name, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.files = 0
        self.complete = False
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        field = parameters.get(b"name", b"").decode(errors="replace")
        if field != FIELD:
            raise WrongField(
                f"The form has a field '{field[:40]}'. Send one file in the field 'video' (curl -F video=@clip.mp4) "
                "and options as query parameters."
            )
        self.files += 1
        if self.files > 1:
            raise WrongField("The form has more than one file. Send one request for each video.")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.pieces.append(data[start:end])

    def _on_end(self) -> None:
        self.complete = True


async def _form_file(body: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[bytes]:
    if not boundary:
        raise MalformedBody("The content type multipart/form-data has no boundary (RFC 7578). curl -F sends one.")
    broken = MalformedBody("The multipart body does not follow RFC 7578 or ends early. Send it again.")
    try:
        form = _Form(boundary)
        async for data in body:
            form.parser.write(data)
            if form.pieces:
                piece = b"".join(form.pieces)
                form.pieces.clear()
                yield piece
    except FormParserError as error:
        raise broken from error
    if not form.complete:
        raise broken
    if form.files == 0:
        raise WrongField("The form has no field 'video'. Send the file in it: curl -F video=@clip.mp4")
