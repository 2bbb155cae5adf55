import asyncio
import json
from types import SimpleNamespace

import pytest

from service.gateway.live_socket import live
from service.gateway.usecases.authenticate import NO_OWNER


class Socket:
    """A WebSocket whose client has sent these messages; keeps what it is sent."""

    def __init__(self, *messages: str) -> None:
        self._left = [{"type": "websocket.receive", "text": message} for message in messages]
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
