import asyncio
import json
from types import SimpleNamespace

import pytest

from service.gateway.live_socket import live
from service.gateway.usecases.authenticate import NO_OWNER


class Socket:
    """A WebSocket whose client has sent these messages; keeps what it is sent."""

    def __init__(self, *messages: str | bytes) -> None:
        self._left = [
            {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}
            for message in messages
        ]
        self.headers, self.client = {}, None
        uses = SimpleNamespace(settings=SimpleNamespace(upload_idle_s=60), authenticate=anybody, live=windows)
        self.app = SimpleNamespace(state=SimpleNamespace(use_cases=uses))
        self.sent = []

    async def accept(self):
        pass

    async def receive(self):
        return self._left.pop(0)

    async def send_json(self, message):
        self.sent.append(message)

    async def close(self, code=1000):
        self.sent.append(code)


async def anybody(*_):
    return NO_OWNER


async def windows(owner, options, frames):
    async for _ in frames:
        yield


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000, '{"a":' * 100_000, '{"options": ' + "[" * 100_000])
@pytest.mark.parametrize("before", [[], [json.dumps({"options": {}})]], ids=["first", "after the options"])
def test_a_text_that_is_no_message_is_an_error_of_the_client(before, text):
    socket = Socket(*before, text)
    asyncio.run(live(socket))

    [problem, code] = socket.sent
    assert (problem["event"], problem["code"], problem["status"]) == ("problem", "malformed_body", 400)
    assert code == 1008


FORM = "A frame is a binary message: its time in seconds (8 bytes, float64, big-endian), then a JPEG or PNG picture."


@pytest.mark.parametrize("text", ["hello", '{"end": false}', "data:image/jpeg;base64,/9j/", "{"])
def test_a_wrong_text_after_the_options_is_told_what_is_right(text):
    assert refused(text) == (
        "malformed_body",
        f'The only text after the options is {{"end": true}}, after the last frame. {FORM}',
    )


@pytest.mark.parametrize("message", [b"", b"short", bytes(8), bytes(8) + b"hello", bytes(8) + b"GIF89a"])
def test_a_wrong_frame_is_told_what_is_right(message):
    assert refused(message) == ("bad_frame", FORM)


def refused(message: str | bytes) -> tuple[str, str]:
    socket = Socket(json.dumps({"options": {}}), message)
    asyncio.run(live(socket))
    return socket.sent[0]["code"], socket.sent[0]["detail"]
