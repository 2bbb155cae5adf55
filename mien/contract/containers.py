"""The video containers that Mien accepts: names, file endings, FFmpeg demuxers and signatures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 16
"""Number of bytes from the start of a file that identify its container."""


@dataclass(frozen=True)
class Container:
    """A container format.

    Attributes:
        name: the name that users know.
        suffixes: file endings, in lower case.
        demuxers: names of FFmpeg's demuxers; none if FFmpeg has none that is of use.
        signature: matches the first `HEAD_BYTES` bytes of a file.
    """

    name: str
    suffixes: tuple[str, ...]
    demuxers: tuple[str, ...]
    signature: re.Pattern[bytes]


# ISO base media and QuickTime files begin with a box: four bytes of size, four of type. A `ftyp` box names its brand
# next; the brands excluded here are still images (AVIF, HEIF, CR3).
_ISO_MEDIA = re.compile(
    rb"....(?:ftyp(?!avif|avis|heic|heix|hevc|heim|heis|mif1|msf1|crx )|moov|mdat|free|skip|wide|pnot)", re.DOTALL
)
_EBML = re.compile(rb"\x1a\x45\xdf\xa3")

UPLOAD_CONTAINERS = (
    Container("MP4", (".mp4", ".m4v"), ("mov", "mp4", "m4a", "mj2"), _ISO_MEDIA),
    Container("MOV", (".mov",), ("mov",), _ISO_MEDIA),
    Container("3GP", (".3gp",), ("3gp", "3g2"), _ISO_MEDIA),
    Container("MKV", (".mkv",), ("matroska",), _EBML),
    Container("WebM", (".webm",), ("webm",), _EBML),
    Container("AVI", (".avi",), ("avi",), re.compile(rb"RIFF....AVI ", re.DOTALL)),
)
"""The containers that uploads may have."""

OptionalFormat = Literal["mpeg-ts", "asf", "flv", "mpeg-ps", "gif", "webp"]

# A packet of a transport stream begins with "G"; those of AVCHD and Blu-ray have a time stamp before it.
_TRANSPORT_PACKET = re.compile(rb"(?:....)?G(?!IF8)[\x00-\x1f@-_].[\x10-\x3f]", re.DOTALL)

OPTIONAL_CONTAINERS: Mapping[OptionalFormat, Container] = {
    "mpeg-ts": Container("MPEG-TS", (".ts", ".mts", ".m2ts"), ("mpegts",), _TRANSPORT_PACKET),
    "asf": Container("WMV", (".wmv", ".asf"), ("asf",), re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11")),
    "flv": Container("FLV", (".flv",), ("flv",), re.compile(rb"FLV\x01")),
    "mpeg-ps": Container("MPEG-PS", (".mpg", ".mpeg", ".vob"), ("mpeg",), re.compile(rb"\x00\x00\x01\xba")),
    "gif": Container("GIF", (".gif",), ("gif",), re.compile(rb"GIF8[79]a")),
    "webp": Container("animated WebP", (".webp",), (), re.compile(rb"RIFF....WEBPVP8X", re.DOTALL)),
}
"""The containers that an operator can allow for uploads, by their names in the setting `MIEN_FORMATS`."""

TRUSTED_CONTAINERS = (*UPLOAD_CONTAINERS, OPTIONAL_CONTAINERS["flv"])
"""The containers that the user's own files may have: older datasets come as FLV."""

VIDEO_SUFFIXES = frozenset(suffix for container in UPLOAD_CONTAINERS for suffix in container.suffixes)
"""Endings of the files that can be uploaded, in lower case."""


def is_accepted(head: bytes, containers: Iterable[Container] = UPLOAD_CONTAINERS) -> bool:
    """Return whether a file with these first `HEAD_BYTES` bytes is in one of the containers."""
    return any(container.signature.match(head) for container in containers)


def listed(containers: Iterable[Container]) -> str:
    """Return the containers' names as a phrase: "MP4, MOV or AVI"."""
    *names, last = (container.name for container in containers)
    return f"{', '.join(names)} or {last}" if names else last
