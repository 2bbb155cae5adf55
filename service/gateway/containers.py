"""Checks of an upload before anything decodes it: its container and its size."""

from __future__ import annotations

from collections.abc import Sequence

from mien.contract.containers import HEAD_BYTES, Container, is_accepted
from mien.contract.errors import UnsupportedContainer, UploadTooLarge
from service.gateway.sniff import file_kind


def check_container(head: bytes, containers: Sequence[Container]) -> None:
    """Check a file's first bytes, `HEAD_BYTES` or more, for the signature of one of the containers.

    Raises:
        UnsupportedContainer: no signature matches.
    """
    if not is_accepted(head[:HEAD_BYTES], containers):
        kind = file_kind(head)
        raise UnsupportedContainer(f"The upload is {kind.name}. {kind.advice}")


def too_large(most_bytes: int) -> UploadTooLarge:
    """Return the error of an upload over the limit."""
    return UploadTooLarge(
        f"The upload is larger than the {most_bytes / 1e6:,.1f} MB allowed. Cut or compress the video."
    )
