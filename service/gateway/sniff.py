"""Name what was sent in place of a video, by its first bytes, and say what to do about it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from mien.contract.containers import HEAD_BYTES, UPLOAD_CONTAINERS, is_accepted, listed

_TAKEN = listed(UPLOAD_CONTAINERS)


@dataclass(frozen=True)
class FileKind:
    """What a file or body is if it is not a video.

    Attributes:
        name: with its article, as in "a JPEG picture".
        advice: a sentence.
    """

    name: str
    advice: str


_FILE = f"Send the video file itself: {_TAKEN}."
_PICTURE = f"Send a video: {_TAKEN}."
_SOUND = f"It has no pictures. Send a video: {_TAKEN}."
_CONVERT = f"Convert it to {_TAKEN}."
_ALLOW = f"{_CONVERT} Or ask the operator of the service to allow it, with the setting MIEN_FORMATS."
_ARCHIVE = "Unpack it and send the video that is in it, one request for each."
_COMPRESSED = "Send it without compression: videos are compressed already."
_SIDE_FILE = "Send the file of the same name without the ._ in front."
_READ_AS_TEXT = "Read the file as bytes and send those."
_PAGE = f"It may be an error or sign-in page, saved in the video's place. {_FILE}"
_NESTED = "Send one file in one form, with the Content-Type that the client sets: multipart/form-data and its boundary."
_LIST = "It only refers to videos, and nothing is fetched from elsewhere. " + _FILE


def _kinds(flags: re.RegexFlag, *rows: tuple[bytes, str, str]) -> tuple[tuple[re.Pattern[bytes], FileKind], ...]:
    return tuple((re.compile(pattern, flags), FileKind(name, advice)) for pattern, name, advice in rows)


_FILES = _kinds(
    re.DOTALL,
    (rb"\x00+\Z", "nothing but zeros", "It may be a download that has not finished. Send the whole file."),
    (rb"\x1f\x8b", "compressed with gzip", _COMPRESSED),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd", _COMPRESSED),
    (rb"\xfd7zXZ", "compressed with xz", _COMPRESSED),
    (rb"BZh\d", "compressed with bzip2", _COMPRESSED),
    (rb"\x78[\x01\x5e\x9c\xda]", "compressed with zlib (deflate)", _COMPRESSED),
    (rb"PK\x03\x04", "a ZIP archive", _ARCHIVE),
    (rb"7z\xbc\xaf", "a 7z archive", _ARCHIVE),
    (rb"Rar!", "a RAR archive", _ARCHIVE),
    (rb"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (rb"\x89PNG", "a PNG picture", _PICTURE),
    (rb"GIF8[79]a", "a GIF", _ALLOW),
    (rb"RIFF....WEBPVP8X.*?ANIM", "an animated WebP", _ALLOW),
    (rb"RIFF....WEBP", "a WebP picture", _PICTURE),
    (rb"....ftyp(?:hei|hev|mif1|msf1|avif|avis)", "a HEIF or AVIF picture", _PICTURE),
    (rb"....ftypcrx ", "a camera's raw picture", _PICTURE),
    (rb"BM....\x00\x00\x00\x00", "a BMP picture", _PICTURE),
    (rb"II\x2a\x00|MM\x00\x2a", "a TIFF or raw picture", _PICTURE),
    (rb"ID3|\xff[\xe2-\xfb]", "a sound file (MP3 or AAC)", _SOUND),
    (rb"RIFF....WAVE", "a sound file (WAV)", _SOUND),
    (rb"fLaC", "a sound file (FLAC)", _SOUND),
    (rb"OggS", "an Ogg file", _CONVERT),
    (rb"FLV\x01", "an FLV video", _ALLOW),
    (rb"G", "an MPEG transport stream (TS, MTS)", _ALLOW),
    (rb"....G[@-_\x00-\x1f]", "an AVCHD or Blu-ray video (M2TS, MTS)", _ALLOW),
    (rb"\x00\x00\x01\xba", "an MPEG program stream (MPG, VOB)", _ALLOW),
    (rb"\x00\x00\x01[\xb3\xe0]", "a bare MPEG stream without a container", _CONVERT),
    (rb"\x00\x00(?:\x00)?\x01", "a bare video stream without a container (H.264 or HEVC)", _CONVERT),
    (rb"\x30\x26\xb2\x75", "a Windows Media video (WMV, ASF)", _ALLOW),
    (rb"\.RMF", "a RealMedia video", _CONVERT),
    (rb"\x00\x05\x16\x07", "macOS's side file of a video (its name begins with ._)", _SIDE_FILE),
    (rb"\x1aE\xef\xbf\xbd", "a WebM or MKV video that was read as text, which breaks it", _READ_AS_TEXT),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16", _FILE),
    (rb"\x7fELF|MZ", "a program", _FILE),
)  # fmt: skip
_TEXTS = _kinds(
    re.IGNORECASE,
    (rb"<!doctype html|<html|<head|<body|<script", "an HTML page", _PAGE),
    (rb"<\?xml|<smil|<mpd|<svg", "an XML document", _FILE),
    (rb"#EXTM3U|ffconcat|v=0\r?\n|\[playlist", "a playlist", _LIST),
    (rb"data:", "a data: URL", "Decode what follows the comma from base64 and send those bytes."),
    (rb"(?:https?|s3|ftp|file|blob|rtsp|rtmp)://?", "an address", _LIST),
    (rb"blob:", "an address that only the browser knows", _FILE),
    (rb"[{[\"]", "JSON", _FILE + " Base64 and addresses in JSON are not taken."),
    (rb"--", "a multipart form that is not declared as one, or one inside another", _NESTED),
    (rb"%PDF", "a PDF", _FILE),
    (rb"version https://git-lfs", "a Git LFS pointer", "Fetch the file itself (git lfs pull) and send that."),
)  # fmt: skip
_LINE_BYTES = 80
_BASE64 = FileKind("a video in base64", "Decode it and send those bytes.")
_TEXT = FileKind("text", _FILE)
UNKNOWN = FileKind("no video that is known here", _CONVERT)
"""What no row matches."""


def file_kind(head: bytes) -> FileKind:
    """Return what a file or body is that is no accepted video, by its first bytes; more than `HEAD_BYTES` help."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    first_line = text[:_LINE_BYTES].splitlines()[0] if text else b""
    if first_line and _is_text(first_line):
        if _decoded_video(text):
            return _BASE64
        return next((kind for pattern, kind in _TEXTS if pattern.match(text)), _TEXT)
    return next((kind for pattern, kind in _FILES if pattern.match(head)), UNKNOWN)


def as_text(head: bytes, most: int = 40) -> str | None:
    """Return the beginning of a text to show it to its sender, or None if it is none."""
    text = head.strip()
    if not text or not _is_text(text):
        return None
    return text.decode(errors="ignore")[:most]


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # the last character may be cut
            return False
        text = head[: error.start].decode()
    return all(char.isprintable() or char in "\r\n\t" for char in text)


def _decoded_video(text: bytes) -> bool:
    try:
        first = base64.b64decode(text.strip(b'"')[:HEAD_BYTES].translate(bytes.maketrans(b"-_", b"+/")), validate=True)
    except (binascii.Error, ValueError):
        return False
    return is_accepted(first)
