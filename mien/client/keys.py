"""Check the keys that a client sends as headers, where not every character may stand."""

from __future__ import annotations

from mien.contract.errors import InvalidOption, KeyRefused


def checked_api_key(key: str) -> str:
    """Return an API key without the white space around it, such as the line end of the file that it was read from.

    Raises:
        KeyRefused: a header cannot hold it.
    """
    key = key.strip()
    if not _fits_header(key):
        raise KeyRefused(  # which does not show the key: messages are logged
            "The API key has a line break or another character that no key has. "
            "Give the key alone, from `mien_` to its last character."
        )
    return key


def checked_idempotency_key(key: str) -> str:
    """Return an idempotency key without the white space around it, which the service leaves out, too.

    Raises:
        InvalidOption: a header cannot hold it.
    """
    key = key.strip()
    if not _fits_header(key):
        raise InvalidOption("idempotency_key: only visible ASCII characters are allowed, such as those of a UUID.")
    return key


def _fits_header(text: str) -> bool:
    return text.isascii() and text.isprintable()
