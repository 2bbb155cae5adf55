"""Stream the file out of a `multipart/form-data` body (RFC 7578), without keeping the body."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mien.contract.containers import HEAD_BYTES, is_accepted
from mien.contract.errors import EmptyUpload, MalformedBody, WrongField
from service.gateway.sniff import as_text, file_kind

FIELD = "video"
_SEND_ONE = f"Send one file in the field '{FIELD}' (curl -F {FIELD}=@clip.mp4)"

# What may precede the file: a preamble, the first boundary, and the headers of the file's part.
_MOST_OPENING_BYTES = 16 << 10
_FOLD = re.compile(rb"\r\n[ \t]+")


async def form_file(body: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[bytes]:
    """Yield the bytes of the form's one file as they arrive.

    Raises:
        WrongField: the form has no file, more than one, or other fields.
        EmptyUpload: the body or the file has no bytes.
        MalformedBody: the body is no form with this boundary, or ends early.
    """
    if not boundary:
        raise MalformedBody(
            "The Content-Type multipart/form-data has no boundary (RFC 7578). Clients send one unless the header is "
            "set by hand; curl -F sends one."
        )
    broken = MalformedBody("The multipart body does not follow RFC 7578 or ends early. Send it again.")
    empty = True
    try:
        form = _Form(boundary)
        async for data in _from_first_boundary(body, boundary):
            form.parser.write(data)
            if form.pieces:
                piece = b"".join(form.pieces)
                form.pieces.clear()
                if empty:
                    form.check_is_file(piece)
                    empty = False
                yield piece
    except FormParserError as error:
        raise broken from error
    if not form.complete:
        raise broken
    if form.files == 0:
        raise WrongField(f"The form has no fields. {_SEND_ONE}.")
    if empty:
        raise EmptyUpload(f"The form's file has no bytes: none was chosen, or it is empty. {_SEND_ONE}.")


async def _from_first_boundary(body: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[bytes]:
    """Yield a form without what RFC 2046 allows and python-multipart refuses.

    That is a preamble, white space after the first boundary, and folded headers in the first part.
    """
    first = re.compile(rb"(?:\A|\r\n)--" + re.escape(boundary) + rb"(?:(--)|[ \t]*(?=\r\n))")
    opening = b""
    pieces = aiter(body)
    async for piece in pieces:
        opening += piece
        if (found := first.search(opening)) is not None:
            headers = opening[found.end() :]
            end = 0 if found[1] else headers.find(b"\r\n\r\n")
            if end >= 0:
                yield b"--" + boundary + (found[1] or b"") + _FOLD.sub(b" ", headers[:end]) + headers[end:]
                break
        if len(opening) > _MOST_OPENING_BYTES:
            raise MalformedBody(_no_form(opening, boundary))
    else:
        if not opening:
            raise EmptyUpload(f"The request body is empty. {_SEND_ONE}.")
        raise MalformedBody(_no_form(opening, boundary))
    async for piece in pieces:
        yield piece


def _no_form(opening: bytes, boundary: bytes) -> str:
    """Return a sentence about a body that has no part with this boundary."""
    said = boundary[:40].decode(errors="replace")
    if is_accepted(opening[:HEAD_BYTES]):
        return (
            "The body is a video, and its Content-Type says that it is a form. Leave the Content-Type out, or send a "
            "form as the client makes it (curl -F)."
        )
    if re.search(rb"(?:\A|\n)--" + re.escape(boundary) + rb"[ \t]*\n", opening):
        return "The form's lines end in LF alone. They must end in CRLF (RFC 2046, 4.1.1)."
    if (other := re.match(rb"--([^\s-][^\r\n]{0,69}?)[ \t]*\r\n", opening)) and other[1] != boundary:
        return (
            f"The body's boundary is '{other[1][:40].decode(errors='replace')}', and its Content-Type says '{said}'. "
            "Leave the Content-Type to the client: it must name the boundary that is sent."
        )
    if re.search(rb"(?:\A|\r\n)--" + re.escape(boundary), opening):
        return "The multipart body does not follow RFC 7578 or ends early. Send it again."
    kind = file_kind(opening)
    return f"The Content-Type says that the body is a form, and the body is {kind.name}. {kind.advice}"


class _Form:
    """The parser's callbacks: collect the bytes of the file in the field `video` and refuse other fields."""

    def __init__(self, boundary: bytes) -> None:
        self._name, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._has_filename = False
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

    def check_is_file(self, content: bytes) -> None:
        """Check a field's first bytes for a text that stands where a file should."""
        text = as_text(content)
        if text is not None and not self._has_filename:
            name = text if re.fullmatch(r"[^\s'\"{<=:]+\.\w{2,4}", text) else "clip.mp4"
            raise WrongField(
                f"The field '{FIELD}' holds the text '{text}' and no file. With curl an @ makes it a file: "
                f"-F {FIELD}=@{name.lstrip('@')}. Send the file's bytes, not its name or address."
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
            raise WrongField(f"The form has a field '{field[:40]}'. {_SEND_ONE} and options as query parameters.")
        self.files += 1
        if self.files > 1:
            raise WrongField("The form has more than one file. Send one request for each video.")
        self._has_filename = b"filename" in parameters
        coding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if coding not in {b"binary", b"8bit", b"7bit"}:
            name = coding[:40].decode(errors="replace")
            raise MalformedBody(
                f"The file's Content-Transfer-Encoding is '{name}', which HTTP forms no longer have (RFC 7578, 4.7). "
                "Send the file's bytes as they are."
            )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.pieces.append(data[start:end])

    def _on_end(self) -> None:
        self.complete = True
