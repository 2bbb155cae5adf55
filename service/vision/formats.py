"""The containers and codecs that FFmpeg may open: each is one more parser exposed to untrusted bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mien.contract.containers import (
    OPTIONAL_CONTAINERS,
    TRUSTED_CONTAINERS,
    UPLOAD_CONTAINERS,
    Container,
    OptionalFormat,
)


@dataclass(frozen=True)
class Formats:
    """The formats that may be opened.

    Attributes:
        containers: the accepted containers.
        codecs: FFmpeg's names of the accepted decoders.
    """

    containers: tuple[Container, ...]
    codecs: frozenset[str]


# Each needs a reason.
UPLOADS = Formats(
    containers=UPLOAD_CONTAINERS,
    codecs=frozenset(
        {
            "h264",  # nearly everything
            "hevc",  # phones
            "vp8",  # browsers' recorders
            "libvpx",
            "vp9",
            "libvpx-vp9",
            "av1",  # browsers, new phones
            "libdav1d",
            "libaom-av1",
            "mpeg4",  # older cameras, DivX and Xvid in AVI
            "mjpeg",  # cameras, webcams
            "h263",  # 3GP from older phones
            "mpeg1video",  # archives
            "mpeg2video",  # camcorders, DVDs
            "prores",  # editing
            "dnxhd",
        }
    ),
)

_OPTIONAL_CODECS: Mapping[OptionalFormat, frozenset[str]] = {
    "mpeg-ts": frozenset(),
    "asf": frozenset({"wmv1", "wmv2", "wmv3", "vc1", "msmpeg4v2", "msmpeg4"}),
    "flv": frozenset({"flv", "vp6f"}),
    "mpeg-ps": frozenset(),
    "gif": frozenset({"gif"}),
    "webp": frozenset(),  # see `service.vision.webp`
}


def uploads_with(formats: Iterable[OptionalFormat]) -> Formats:
    """Return the formats of uploads with those that the operator allows."""
    return Formats(
        containers=UPLOADS.containers + tuple(OPTIONAL_CONTAINERS[name] for name in formats),
        codecs=UPLOADS.codecs.union(*(_OPTIONAL_CODECS[name] for name in formats)),
    )


ALL_LISTED = uploads_with(OPTIONAL_CONTAINERS)
"""For files that their user plays or annotates on the own machine."""

# For trusted files; older datasets use FLV.
OWN_FILES = Formats(
    containers=TRUSTED_CONTAINERS,
    codecs=UPLOADS.codecs | {"flv"},  # FFmpeg's name of the FLV1 decoder
)


def ffmpeg_options(formats: Formats) -> dict[str, str]:
    """Return the options with which FFmpeg opens a file in these formats and nothing else."""
    return {
        "format_whitelist": ",".join(name for container in formats.containers for name in container.demuxers),
        "protocol_whitelist": "file",
        "codec_whitelist": ",".join(sorted(formats.codecs)),  # also restricts FFmpeg's probing
    }
