"""The client at services that fail, or with videos and keys that do."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from mien.client import Mien
from mien.contract.errors import (
    EmptyUpload,
    Expired,
    InvalidOption,
    KeyRefused,
    KeyReused,
    MalformedBody,
    NoSuchAnalysis,
    Unexpected,
    Unreachable,
)
from mien.contract.events import Began, Ended
from tests.processes import free_port
from tests.unit.mien.analyses import analysis
from tests.unit.mien.http_service import Request, responding

ACCEPTED = analysis(state="queued", faces=None, video=None).model_dump_json(exclude_unset=True)
LARGE = 1 << 26  # bytes, more than the buffers of a connection hold


def in_turn(*responses: Callable[[Request], None]) -> Callable[[Request], None]:
    """Respond to the first request with the first of the responses, and so on."""
    left = iter(responses)

    def respond(request: Request) -> None:
        next(left)(request)

    return respond


def lose(request: Request) -> None:
    """Close the connection without a response."""


def fail(status: int, code: str) -> Callable[[Request], None]:
    return lambda request: request.fail(status, code)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    path.touch()
    os.truncate(path, LARGE)
    return path


def test_a_file_that_grows_while_it_is_sent_is_sent_as_long_as_it_was(video):
    bodies = []

    def accept(request: Request) -> None:
        os.truncate(video, LARGE + 1)
        bodies.append(request.body())
        request.respond(202, ACCEPTED)

    with responding(accept) as url, Mien(url) as mien:
        assert mien.submit(video).id == "a1"

    assert [len(body) for body in bodies] == [LARGE]


def test_a_file_that_becomes_shorter_while_it_is_sent_is_an_error_that_says_so(video):
    def shorten(request: Request) -> None:
        os.truncate(video, LARGE // 2)
        request.body()

    with responding(shorten) as url, Mien(url) as mien, pytest.raises(MalformedBody, match="changed while it was sent"):
        mien.submit(video)


def test_a_file_that_becomes_shorter_between_two_attempts_is_one_too(video):
    def shorten(request: Request) -> None:
        request.body()
        os.truncate(video, 1)
        request.fail(503, "queue_full")

    with responding(in_turn(shorten, Request.body)) as url, Mien(url) as mien, pytest.raises(MalformedBody):
        mien.submit(video)


def test_a_file_that_changes_between_two_attempts_is_not_called_a_reused_key(video):
    def refuse(request: Request) -> None:
        request.body()
        request.fail(422, "idempotency_key_reused")

    with responding(refuse) as url, Mien(url) as mien:
        with pytest.raises(MalformedBody, match="changed while it was sent"):
            mien.submit(video)
        with pytest.raises(KeyReused):
            mien.submit(video, idempotency_key="mine")


def test_an_open_file_beyond_its_end_is_an_error():
    file = io.BytesIO(b"video")
    file.seek(10)
    with responding(lose) as url, Mien(url) as mien, pytest.raises(EmptyUpload, match="seek"):
        mien.submit(file)


def test_white_space_around_keys_is_not_sent():
    sent = []

    def accept(request: Request) -> None:
        request.body()
        sent.append((request.headers["Authorization"], request.headers["Idempotency-Key"]))
        request.respond(202, ACCEPTED)

    with responding(accept) as url:
        with Mien(url, key="\tmien_a\r\n") as mien:
            mien.submit(b"video", idempotency_key=" mine\n")
        with Mien(url, key="\n") as mien:
            mien.submit(b"video", idempotency_key="mine")

    assert sent == [("Bearer mien_a", "mine"), (None, "mine")]


@pytest.mark.parametrize("key", ["mien_secret\nmien_b", "mien_secretä", "\ufeffmien_secret", "mien_secret\0"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key):
    with pytest.raises(KeyRefused, match="Give the key alone") as told:
        Mien(key=key)
    assert "secret" not in told.value.detail


@pytest.mark.parametrize("key", ["a\nb", "ä"])
def test_an_idempotency_key_that_cannot_be_sent_is_an_invalid_option(key):
    with responding(lose) as url, Mien(url) as mien, pytest.raises(InvalidOption, match="idempotency_key: "):
        mien.submit(b"video", idempotency_key=key)


def test_a_request_that_cannot_be_sent_is_no_sign_of_a_missing_service(monkeypatch):
    async def refuse(*_: object, **__: object) -> None:
        raise httpx2.LocalProtocolError("Illegal header value b'Bearer mien_secret'")

    monkeypatch.setattr(httpx2.AsyncClient, "request", refuse)
    with Mien() as mien, pytest.raises(Unexpected, match="not valid HTTP") as told:
        mien.models()
    assert "secret" not in told.value.detail


def test_an_event_id_that_cannot_be_sent_back_is_none_either():
    def tell(request: Request) -> None:
        request.respond(200, 'id:  1\nevent: began\ndata: {"attempt": 1}\n\n')

    with responding(tell) as url, Mien(url, patience_s=5) as mien, pytest.raises(Unexpected, match="not valid HTTP"):
        list(mien.watch("a1"))


def test_an_id_is_sent_as_it_is():
    paths = []

    def miss(request: Request) -> None:
        paths.append(request.path)
        request.fail(404, "not_found")

    with responding(miss) as url, Mien(url) as mien:
        for ask in (mien.get, mien.delete, lambda analysis_id: list(mien.watch(analysis_id))):
            with pytest.raises(NoSuchAnalysis):
                ask("a?/\n")

    assert paths == ["/analyses/a%3F%2F%0A", "/analyses/a%3F%2F%0A", "/analyses/a%3F%2F%0A/events"]


@pytest.mark.parametrize("first", [lose, fail(503, "queue_unavailable")])
def test_deleting_again_after_a_lost_response_finds_the_analysis_deleted(first):
    with responding(in_turn(first, fail(410, "expired"))) as url, Mien(url) as mien:
        mien.delete("a1")


def test_what_is_gone_before_it_is_deleted_is_an_error():
    with responding(fail(410, "expired")) as url, Mien(url) as mien, pytest.raises(Expired):
        mien.delete("a1")


@pytest.mark.parametrize(("ask", "code", "error"), [(Mien.delete, 404, NoSuchAnalysis), (Mien.get, 410, Expired)])
def test_another_error_after_a_lost_response_is_one(ask, code, error):
    found = {404: "not_found", 410: "expired"}[code]
    with responding(in_turn(lose, fail(code, found))) as url, Mien(url) as mien, pytest.raises(error):
        ask(mien, "a1")


@pytest.mark.parametrize(
    ("ask", "path"), [(Mien.models, "/models"), (lambda mien: list(mien.watch("a1")), "/analyses/a1/events")]
)
def test_an_address_where_every_connection_is_lost_is_given_up_after_the_second(ask, path):
    paths = []
    with responding(lambda request: paths.append(request.path)) as url, Mien(url) as mien, pytest.raises(Unreachable):
        ask(mien)
    assert paths == [path, path]


@pytest.mark.parametrize("ask", [Mien.models, lambda mien: list(mien.watch("a1"))])
def test_an_address_where_no_service_was_ever_reached_is_given_up_at_once(monkeypatch, ask):
    async def wait(_: float) -> None:
        pytest.fail("it waits")

    monkeypatch.setattr(asyncio, "sleep", wait)
    with Mien(f"http://127.0.0.1:{free_port()}") as mien, pytest.raises(Unreachable, match="refused"):
        ask(mien)


def test_a_service_that_was_reached_is_waited_for_while_an_analysis_is_watched():
    ended = 'id: 2\nevent: ended\ndata: {"state": "succeeded"}\n\n'
    responses = in_turn(
        lambda request: request.respond(200, 'id: 1\nevent: began\ndata: {"attempt": 1}\n\n'),
        lose,
        lose,
        lambda request: request.respond(200, ended),
    )
    with responding(responses) as url, Mien(url) as mien:
        assert [type(event) for event in mien.watch("a1")] == [Began, Ended]


def test_a_stream_that_is_lost_after_a_long_wait_in_the_queue_is_resumed():
    def wait_in_queue(request: Request) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(4):
            time.sleep(0.4)
            request.wfile.write(b": keep-alive\n\n")

    ended = 'id: 1\nevent: ended\ndata: {"state": "succeeded"}\n\n'
    responses = in_turn(wait_in_queue, wait_in_queue, lambda request: request.respond(200, ended))
    with responding(responses) as url, Mien(url, patience_s=1.2) as mien:
        assert [type(event) for event in mien.watch("a1")] == [Ended]


def test_an_upload_that_fails_after_a_long_time_is_sent_again():
    def refuse_late(request: Request) -> None:
        request.body()
        time.sleep(1.6)
        request.fail(503, "queue_full")

    responses = in_turn(refuse_late, lambda request: [request.body(), request.respond(202, ACCEPTED)])
    with responding(responses) as url, Mien(url, patience_s=1.5) as mien:
        assert mien.submit(b"video").id == "a1"


def test_windows_of_an_analysis_that_somebody_deletes_end_with_an_error():
    window = '{"track": 0, "start_s": 0, "end_s": 0.64, "quality": 1}'
    events = f'id: 1\nevent: window\ndata: {window}\n\nid: 2\nevent: ended\ndata: {{"state": "cancelled"}}\n\n'
    responses = in_turn(
        lambda request: [request.body(), request.respond(202, ACCEPTED)],
        lambda request: request.respond(200, events),
    )
    with responding(responses) as url, Mien(url) as mien:
        windows = mien.windows(b"video")
        assert next(windows).start_s == 0
        with pytest.raises(Expired, match="deleted while it ran"):
            next(windows)


def test_a_redirection_is_not_taken_for_success():
    def redirect(request: Request) -> None:
        request.respond(308, Location="https://elsewhere")

    with responding(redirect) as url, Mien(url) as mien:
        with pytest.raises(Unexpected, match="redirects to https://elsewhere"):
            mien.delete("a1")
        with pytest.raises(Unexpected, match="redirects to https://elsewhere"):
            list(mien.watch("a1"))
