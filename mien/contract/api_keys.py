"""API keys as text: `mien_`, the key's id, 256 random bits, a checksum that tells a slip of the pen from a wrong key.

    mien_1f3a9c02_<43 characters of base64url>_<8 hexadecimal digits of CRC-32>

Only a digest of it is ever kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass

_FORM = re.compile(r"mien_([0-9a-f]{8})_[\w-]{43}_([0-9a-f]{8})", re.ASCII)


@dataclass(frozen=True)
class ApiKey:
    """A key: its public id, and the SHA-256 of its text in hex."""

    id: str
    digest: str


def new_api_key() -> str:
    """Return the text of a new key."""
    body = f"mien_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    return f"{body}_{_checksum(body)}"


def parse_api_key(text: str) -> ApiKey:
    """Return the key that a text is.

    Raises:
        ValueError: it is none, for a character is missing or wrong, say.
    """
    found = _FORM.fullmatch(text)
    if found is None or found[2] != _checksum(text.rpartition("_")[0]):
        raise ValueError("no API key")
    return ApiKey(found[1], hashlib.sha256(text.encode()).hexdigest())


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
