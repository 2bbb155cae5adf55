import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.gateway.callbacks.signature import headers, parse_secret

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_the_reference_library_verifies_what_is_signed():
    now, body = int(time.time()), b'{"type": "analysis.succeeded"}'

    signed = headers(parse_secret(SECRET), "msg_a", now, body)

    assert Webhook(SECRET).verify(body, signed) == {"type": "analysis.succeeded"}
    for wrong in ({"webhook-id": "msg_b"}, {"webhook-timestamp": str(now - 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, signed | wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", signed)


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "whsec_short", SECRET.removeprefix("whsec_"), "whsec_" + base64.b64encode(bytes(23)).decode(),
     "whsec_" + base64.b64encode(bytes(65)).decode(), SECRET + "!"],
)  # fmt: skip
def test_what_is_no_secret_is_refused(text):
    with pytest.raises(ValueError, match="24 to 64 random bytes"):
        parse_secret(text)
