"""A body that is no video is refused by what it is; every form that the RFCs allow is accepted."""

import base64
import gzip

import pytest
from pydantic import ValidationError

from mien.contract.containers import UPLOAD_CONTAINERS
from mien.contract.errors import MienError, UnsupportedContainer, UnsupportedEncoding
from service.formats import FormatSettings
from service.gateway.containers import check_container
from service.gateway.uploads import check_encoding
from tests.unit.gateway.forms import FORM, MP4_HEAD, RAW, form, part, read

VIDEO = MP4_HEAD + b"some frames\n"
XYZ = "multipart/form-data; boundary=xyz"
URL_ENCODED = "application/x-www-form-urlencoded"
FILE = b'Content-Disposition: form-data; name="video"; filename="a.mp4"\r\n'


def xyz(headers: bytes = FILE, content: bytes = VIDEO, *, first: bytes = b"--xyz", last: bytes = b"--xyz--") -> bytes:
    return first + b"\r\n" + headers + b"\r\n" + content + b"\r\n" + last + b"\r\n"


FORMS = {
    "a preamble": (xyz(first=b"This is a MIME preamble.\r\n--xyz"), XYZ),
    "a preamble that looks like a boundary": (xyz(first=b"--xyzz\r\n--xy\r\n --xyz\r\n\r\n--xyz"), XYZ),
    "an empty preamble": (xyz(first=b"\r\n--xyz"), XYZ),
    "white space after the boundaries": (xyz(first=b"--xyz \t ", last=b"--xyz-- \t"), XYZ),
    "an epilogue": (xyz(last=b"--xyz--\r\nGood bye.\r\n--xyz"), XYZ),
    "folded headers": (xyz(FILE.replace(b"; ", b";\r\n\t")), XYZ),
    "headers of other case and order": (xyz(b"content-type: a/b\r\nCONTENT-disposition:form-data;name=video\r\n"), XYZ),
    "a transfer encoding that changes nothing": (xyz(FILE + b"Content-Transfer-Encoding: Binary\r\n"), XYZ),
    "a boundary in quotes": (xyz(first=b"--a (b):c", last=b"--a (b):c--"), 'multipart/form-data; boundary="a (b):c"'),
    "no file name": (xyz(b'Content-Disposition: form-data; name="video"\r\n'), XYZ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_that_the_rfcs_allow_is_taken_however_it_is_cut(kind):
    body, content_type = FORMS[kind]
    for position in range(len(body)):
        assert read([body[:position], body[position:]], content_type) == VIDEO
    assert read([body[position : position + 1] for position in range(len(body))], content_type) == VIDEO


def test_a_preamble_without_end_is_refused_without_gathering_it():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1000
            yield b"preamble\r\n" * 100

    with pytest.raises(MienError, match="text"):
        read(endless(), XYZ)
    assert taken < 20_000


BASE64 = base64.b64encode(VIDEO)
_WEBM = b"\x1a\x45\xdf\xa3\x9fB" + b"\x81x" * 99
FIELD = b'Content-Disposition: form-data; name="video"\r\n'

# Body, content type → code, what is named, what to do.
WRONG = {
    "gzip": (gzip.compress(VIDEO), RAW, "unsupported_container", "gzip", "without compression"),
    "a gzipped form": (gzip.compress(xyz()), XYZ, "malformed_body", "gzip", "without compression"),
    "zip": (b"PK\x03\x04" + bytes(30), RAW, "unsupported_container", "ZIP", "Unpack"),
    "json": (b'{"video": "%s"}' % BASE64, "application/json", "unsupported_container", "JSON", "file itself"),
    "json in a form": (xyz(content=b'{"video": 1}'), XYZ, "unsupported_container", "JSON", "file itself"),
    "json as a form": (b'{"video": 1}', XYZ, "malformed_body", "JSON", "file itself"),
    "base64": (BASE64, "text/plain", "unsupported_container", "base64", "Decode"),
    "base64 for addresses": (base64.urlsafe_b64encode(VIDEO), RAW, "unsupported_container", "base64", "Decode"),
    "base64 in a string": (b'"%s"' % BASE64, "application/json", "unsupported_container", "base64", "Decode"),
    "base64 in a form": (xyz(content=BASE64), XYZ, "unsupported_container", "base64", "Decode"),
    "base64 by the form": (
        xyz(FILE + b"Content-Transfer-Encoding: base64\r\n", BASE64), XYZ, "malformed_body", "base64", "as they are",
    ),
    "data url": (b"data:video/mp4;base64," + BASE64, RAW, "unsupported_container", "data: URL", "Decode"),
    "url": (b"https://example.org/clip.mp4", RAW, "unsupported_container", "address", "nothing is fetched"),
    "url in a form": (xyz(FIELD, b"https://example.org/a"), XYZ, "wrong_field", "example.org", "bytes"),
    "-F video=clip.mp4": (xyz(FIELD, b"clip.mp4"), XYZ, "wrong_field", "'clip.mp4'", "-F video=@clip.mp4"),
    "--data-binary clip.mp4": (b"clip.mp4", URL_ENCODED, "malformed_body", "'clip.mp4'", "--data-binary @clip.mp4"),
    "-d video=@clip.mp4": (b"video=@clip.mp4", URL_ENCODED, "wrong_field", "video=@clip.mp4", "-F video=@clip.mp4"),
    "-d @clip.mp4": (VIDEO.translate(None, b"\0\r\n"), URL_ENCODED, "malformed_body", "curl -d", "--data-binary"),
    "-d @clip.webm": (_WEBM, URL_ENCODED, "malformed_body", "curl -d", "--data-binary"),
    "--data-urlencode": (b"video=%00%00%00%20ftyp", URL_ENCODED, "wrong_field", "without a file", "-F video=@"),
    "an empty body": (b"", RAW, "empty_upload", "no bytes", "Send"),
    "an empty form": (b"", XYZ, "empty_upload", "empty", "Send"),
    "no file chosen": (xyz(content=b""), XYZ, "empty_upload", "no bytes", "Send"),
    "html": (b"\xef\xbb\xbf\n <!DOCTYPE html><title>", RAW, "unsupported_container", "HTML", "error or sign-in"),
    "html in a form": (xyz(content=b"<html><body>404"), XYZ, "unsupported_container", "HTML", "error or sign-in"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", RAW, "unsupported_container", "PDF", "Send"),
    "sound": (b"ID3\x04" + bytes(30), RAW, "unsupported_container", "sound", "Send a video"),
    "another container": (b"G@\x00\x10" + bytes(30), RAW, "unsupported_container", "transport stream", "Convert"),
    "zeros": (bytes(5000), RAW, "unsupported_container", "zeros", "whole file"),
    "a side file of macOS": (b"\x00\x05\x16\x07" + bytes(30), RAW, "unsupported_container", "macOS", "without the ._"),
    "another boundary": (xyz(first=b"--abc", last=b"--abc--"), XYZ, "malformed_body", "'abc'", "boundary"),
    "lines that end in LF": (xyz().replace(b"\r\n", b"\n"), XYZ, "malformed_body", "LF", "CRLF"),
    "a video as a form": (VIDEO, XYZ, "malformed_body", "is a video", "Leave the Content-Type out"),
    "a form as a video": (xyz(), RAW, "unsupported_container", "multipart form", "multipart/form-data"),
    "a mixed form": (xyz(), "multipart/mixed; boundary=xyz", "unsupported_container", "multipart form", "one file"),
    "a form in a form": (form(part(xyz())), FORM, "unsupported_container", "multipart form", "one file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_video_is_named_with_what_to_do(kind):
    body, content_type, code, named, todo = WRONG[kind]
    with pytest.raises(MienError) as refused:
        read([body] if body else [], content_type)
    assert refused.value.code == code, refused.value.detail
    assert named in refused.value.detail
    assert todo in refused.value.detail
    assert len(refused.value.detail) < 400


@pytest.mark.parametrize("header", ["", "identity", " Identity , "])
def test_a_body_without_an_encoding_is_taken(header):
    check_encoding(header)


@pytest.mark.parametrize(
    "header", ["gzip", "x-gzip", "br", "DEFLATE", "zstd", "identity, gzip", "aws-chunked", "x" * 500]
)
def test_an_encoded_body_is_refused_by_its_encodings_name(header):
    with pytest.raises(UnsupportedEncoding, match="Content-Encoding") as refused:
        check_encoding(header)
    assert header.split(", ")[-1].lower()[:20] in refused.value.detail
    assert len(refused.value.detail) < 250


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("gif", b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00"),
        ("flv", b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00"),
        ("mpeg-ts", b"G@\x00\x10" + bytes(30)),
        ("mpeg-ts", b"\x00\x00\x00\x00G@\x00\x10" + bytes(30)),
        ("mpeg-ps", b"\x00\x00\x01\xbaD\x00" + bytes(30)),
        ("asf", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9" + bytes(30)),
        ("webp", b"RIFF\xa4\x02\x00\x00WEBPVP8X\n\x00\x00\x00\x02\x00\x00\x00?\x00\x00/\x00\x00ANIM"),
    ],
)
def test_a_container_that_the_operator_can_allow_is_refused_with_the_settings_name_until_then(name, head):
    with pytest.raises(UnsupportedContainer, match="MIEN_FORMATS"):
        check_container(head, UPLOAD_CONTAINERS)

    check_container(head, FormatSettings(formats=(name,)).containers)


def test_an_unknown_format_is_refused_at_the_start():
    with pytest.raises(ValidationError, match="mpeg-ts"):
        FormatSettings(formats=("realmedia",))
