"""The format of API keys: `mien_`, the key's id, 256 random bits and a checksum.

    mien_1f3a9c02_<43 characters of base64url>_<8 hexadecimal digits of CRC-32>

The checksum tells a mistyped key from an unknown one. Only a digest of a key is stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a key allows."""

    ANALYZE = "analyze"
    READ = "read"
    ADMIN = "admin"


SCOPES = {
    Scope.ANALYZE: "send videos or live frames, or cancel or erase analyses",
    Scope.READ: "read, list or watch analyses, or list the models",
    Scope.ADMIN: "read the service's metrics",
}
"""What a key without the scope may not do."""

_FORM = re.compile(r"mien_([0-9a-f]{8})_[\w-]{43}_([0-9a-f]{8})", re.ASCII)


@dataclass(frozen=True)
class ApiKey:
    """An API key.

    Attributes:
        id: the public id.
        digest: SHA-256 of the key's text, in hexadecimal.
    """

    id: str
    digest: str


def new_api_key() -> str:
    """Generate a new key and return its text."""
    body = f"mien_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    return f"{body}_{_checksum(body)}"


def parse_api_key(text: str) -> ApiKey:
    """Parse the text of an API key.

    Raises:
        ValueError: the text is not an API key; a character may be missing or wrong.
    """
    found = _FORM.fullmatch(text)
    if found is None or found[2] != _checksum(text.rpartition("_")[0]):
        raise ValueError("not an API key")
    return ApiKey(found[1], hashlib.sha256(text.encode()).hexdigest())


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
