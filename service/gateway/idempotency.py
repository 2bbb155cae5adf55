"""The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header).

The draft makes it a structured field: a string in quotation marks (RFC 9651). Most clients leave the marks out, so both
forms are accepted and mean the same key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mien.contract.errors import InvalidOption

_MOST_CHARACTERS = 255
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_BARE = re.compile(r"[!#-~]+")


def parse_idempotency_key(headers: Sequence[str]) -> str | None:
    """Parse the key from a request's headers of this name; None without one.

    Raises:
        InvalidOption: more than one header, or not 1 to 255 characters of visible ASCII.
    """
    if not headers:
        return None
    if len(headers) == 1:
        text = headers[0].strip()
        if quoted := _QUOTED.fullmatch(text):
            text = re.sub(r"\\(.)", r"\1", quoted[1])
        elif not _BARE.fullmatch(text):
            text = ""
        if 1 <= len(text) <= _MOST_CHARACTERS:
            return text
    raise InvalidOption(
        f"Idempotency-Key takes one key of 1 to {_MOST_CHARACTERS} visible ASCII characters, such as a UUID."
    )
