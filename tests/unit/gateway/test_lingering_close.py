import asyncio

from starlette.responses import PlainTextResponse

from service.gateway import lingering_close
from service.gateway.lingering_close import LingeringClose


def serve(app, incoming, *, headers=((b"content-length", b"100"),)) -> tuple[list[dict], int]:
    """Run a request whose body arrives as `incoming`; return what was sent, and how many messages were left unread."""
    sent = []
    left = list(incoming)

    async def receive():
        if not left:
            await asyncio.sleep(60)
        return left.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers)}
    asyncio.run(LingeringClose(app)(scope, receive, send))
    return sent, len(left)


async def refusing(scope, receive, send):
    await PlainTextResponse("no", status_code=413)(scope, receive, send)


async def reading(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await PlainTextResponse("yes")(scope, receive, send)


def piece(*, more: bool) -> dict:
    return {"type": "http.request", "body": b"x" * 50, "more_body": more}


def closes(sent: list[dict]) -> bool:
    return (b"connection", b"close") in sent[0]["headers"]


def test_an_early_answer_is_sent_whole_before_the_rest_of_the_body_is_read_and_dropped():
    sent, left = serve(refusing, [piece(more=True), piece(more=False)])
    assert [message.get("body") for message in sent[1:]] == [b"no", b""]
    assert [message["more_body"] for message in sent[1:]] == [True, False]
    assert left == 0
    assert closes(sent)


def test_an_answer_to_a_body_that_was_read_is_passed_through():
    sent, _ = serve(reading, [piece(more=True), piece(more=False)])
    assert sent[1]["body"] == b"yes"
    assert len(sent) == 2
    assert not closes(sent)


def test_a_request_without_a_body_is_passed_through():
    for headers in ((), ((b"content-length", b"0"),)):
        sent, _ = serve(refusing, [], headers=headers)
        assert len(sent) == 2
        assert not closes(sent)


def test_reading_on_ends_when_the_client_goes_away():
    sent, left = serve(refusing, [{"type": "http.disconnect"}, piece(more=True)])
    assert sent[-1]["more_body"] is False
    assert left == 1


def test_reading_on_ends_when_nothing_arrives(monkeypatch):
    monkeypatch.setattr(lingering_close, "_IDLE_S", 0.05)
    sent, _ = serve(refusing, [piece(more=True)], headers=((b"transfer-encoding", b"chunked"),))
    assert sent[-1]["more_body"] is False


def test_reading_on_ends_in_the_face_of_an_endless_body(monkeypatch):
    monkeypatch.setattr(lingering_close, "_MAX_DRAIN_S", 0.1)

    async def run():
        async def receive():
            await asyncio.sleep(0)
            return piece(more=True)

        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"transfer-encoding", b"chunked")]}
        await LingeringClose(refusing)(scope, receive, send)
        return sent

    assert asyncio.run(run())[-1]["more_body"] is False
