"""Recognise video containers by their first bytes, before anything is decoded."""

from __future__ import annotations

from mien.contract.errors import UnsupportedContainer, UploadTooLarge

HEAD_BYTES = 16
_STILL_IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"crx ")
_QUICKTIME_ATOMS = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")


def check_container(head: bytes) -> None:
    """Check by the first `HEAD_BYTES` of a file that its container is supported.

    Raises:
        UnsupportedContainer: it is not supported.
    """
    quicktime = head[4:8] in _QUICKTIME_ATOMS and not (head[4:8] == b"ftyp" and head[8:12] in _STILL_IMAGE_BRANDS)
    matroska = head.startswith(b"\x1a\x45\xdf\xa3")
    avi = head.startswith(b"RIFF") and head[8:12] == b"AVI "
    if not (quicktime or matroska or avi):
        raise UnsupportedContainer(
            "The file's first bytes are not those of an MP4, MOV, 3GP, MKV, WebM or AVI video. "
            "Convert it to one of these."
        )


def too_large(most_bytes: int) -> UploadTooLarge:
    """Return the error of an upload over the limit."""
    return UploadTooLarge(
        f"The upload is larger than the {most_bytes / 1e6:,.1f} MB allowed. Cut or compress the video."
    )
