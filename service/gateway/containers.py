"""Checks of an upload before anything decodes it: its container and its size."""

from __future__ import annotations

from mien.contract.containers import UPLOAD_CONTAINERS, is_accepted, listed
from mien.contract.errors import UnsupportedContainer, UploadTooLarge


def check_container(head: bytes) -> None:
    """Check a file's first `HEAD_BYTES` bytes for the signature of an accepted container.

    Raises:
        UnsupportedContainer: no signature matches.
    """
    if not is_accepted(head):
        raise UnsupportedContainer(
            f"The file's first bytes are not those of an {listed(UPLOAD_CONTAINERS)} video. Convert it to one of these."
        )


def too_large(most_bytes: int) -> UploadTooLarge:
    """Return the error of an upload over the limit."""
    return UploadTooLarge(
        f"The upload is larger than the {most_bytes / 1e6:,.1f} MB allowed. Cut or compress the video."
    )
