"""Signatures of Standard Webhooks (standardwebhooks.com, specification 1.0.0), symmetric."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
_LEAST, _MOST = 24, 64  # bytes of a secret, as the specification has it


def parse_secret(text: str) -> bytes:
    """Return the bytes of a secret.

    Raises:
        ValueError: it is not `whsec_` and 24 to 64 bytes in base64.
    """
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(_PREFIX) or not _LEAST <= len(secret) <= _MOST:
        raise ValueError("a callback's secret is whsec_ and 24 to 64 random bytes in base64")
    return secret


def headers(secret: bytes, message_id: str, time_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body sent at `time_s`, Unix seconds."""
    signed = f"{message_id}.{time_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(time_s), "webhook-signature": f"v1,{signature}"}
