"""Sign webhooks with a symmetric key (standardwebhooks.com, specification 1.0.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
_LEAST, _MOST = 24, 64  # bytes of a secret, by the specification


def parse_secret(text: str) -> bytes:
    """Decode a secret.

    Raises:
        ValueError: the text is not `whsec_` and 24 to 64 bytes in base64.
    """
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(_PREFIX) or not _LEAST <= len(secret) <= _MOST:
        raise ValueError("the secret must be whsec_ and 24 to 64 random bytes in base64")
    return secret


def headers(secret: bytes, message_id: str, time_s: int, body: bytes) -> dict[str, str]:
    """Return the signature headers of a body that is sent at the Unix time `time_s`."""
    signed = f"{message_id}.{time_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(time_s), "webhook-signature": f"v1,{signature}"}
