"""Callbacks, received by a server of the test's; the worker is the test's, too."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from standardwebhooks import Webhook

from service.queue import keys
from tests.contract.helpers import BROKEN_VIDEO, Queue, fail, succeed, take
from tests.processes import gateway, private_redis, wait_for

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(100)
ASYNC = {"Prefer": "respond-async"}


class Receiver:
    """Keeps what it is sent; answers with `statuses`, one after the other, and the last of them for ever."""

    def __init__(self) -> None:
        self.statuses = [204]
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = keeper.statuses[min(len(keeper.got), len(keeper.statuses) - 1)]
                keeper.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://localhost:{self.server.server_port}/done?for=me"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def _calling(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {"callback_secret": SECRET, "callback_private": True}
    with gateway(tmp_path_factory.mktemp("calling"), redis_server, **settings) as (_, url):
        yield url


@pytest.fixture
def http(_calling: str, redis_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=_calling) as client:
        yield client


@pytest.fixture
def alone() -> Iterator[Queue]:
    """A queue at which no gateway but the test's own looks for callbacks."""
    with private_redis() as url:
        made = Queue.at(url)
        yield made
        made.close()


def submit(http: httpx2.Client, url: str) -> str:
    answer = http.post("/analyze", params={"callback_url": url}, content=MP4, headers=ASYNC)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


@pytest.mark.parametrize("ends", [succeed, fail])
def test_the_callback_is_sent_once_and_signed(http, queue: Queue, receiver: Receiver, ends):
    job_id = submit(http, receiver.url)
    ann = queue.worker()
    ends(ann, take(ann))

    wait_for(lambda: receiver.got)
    wait_for(lambda: not queue.redis.exists(keys.CALLBACKS))
    [(path, headers, body)] = receiver.got
    assert path == "/done?for=me"
    assert headers["host"].startswith("localhost:")
    told = Webhook(SECRET).verify(body, headers)
    state = "succeeded" if ends is succeed else "failed"
    assert (told["type"], told["data"]["id"], told["data"]["state"]) == (f"analysis.{state}", job_id, state)
    assert told["data"].get("error") == (None if ends is succeed else BROKEN_VIDEO.model_dump())
    assert headers["webhook-id"] == f"msg_{job_id}"
    time.sleep(1.5)
    assert len(receiver.got) == 1


def test_what_fails_is_sent_again_with_the_same_id(http, queue: Queue, receiver: Receiver):
    receiver.statuses = [500, 302, 200]
    job_id = submit(http, receiver.url)
    ann = queue.worker()
    succeed(ann, take(ann))

    wait_for(lambda: len(receiver.got) == 1)
    wait_for(lambda: len(receiver.got) == 2)
    # The next pause is five minutes: as if they had passed.
    wait_for(lambda: (queue.redis.zscore(keys.CALLBACKS, job_id) or 0) > 1000 * (time.time() + 200))
    queue.redis.zadd(keys.CALLBACKS, {job_id: 0})
    wait_for(lambda: len(receiver.got) == 3)

    assert {headers["webhook-id"] for _, headers, _ in receiver.got} == {f"msg_{job_id}"}
    assert {path for path, _, _ in receiver.got} == {"/done?for=me"}  # the redirection was not followed
    wait_for(lambda: not queue.redis.exists(keys.CALLBACKS))


@pytest.mark.parametrize("host", ["xn--.example", "no-such-name.invalid"])
def test_a_host_that_stands_for_nothing_does_not_stop_the_others(http, queue: Queue, receiver: Receiver, host):
    ann = queue.worker()
    for url in (f"http://{host}/", receiver.url):
        submit(http, url)
        succeed(ann, take(ann))

    wait_for(lambda: receiver.got)
    wait_for(lambda: queue.redis.zcard(keys.CALLBACKS) == 1)  # the first is to be tried again


def test_a_receiver_that_is_gone_is_not_called_again(http, queue: Queue, receiver: Receiver):
    receiver.statuses = [410]
    submit(http, receiver.url)
    ann = queue.worker()
    succeed(ann, take(ann))

    wait_for(lambda: receiver.got and not queue.redis.exists(keys.CALLBACKS))


def test_an_erased_analysis_has_no_callback(http, queue: Queue, receiver: Receiver):
    job_id = submit(http, receiver.url)
    http.delete(f"/analyses/{job_id}")
    time.sleep(1.5)
    assert not receiver.got


def test_a_callback_survives_the_gateway_that_was_to_send_it(alone: Queue, receiver: Receiver, tmp_path):
    settings = {"callback_secret": SECRET, "callback_private": True}
    with gateway(tmp_path, alone.url, **settings) as (process, url), httpx2.Client(base_url=url) as http:
        submit(http, receiver.url)
        process.popen.kill()
    ann = alone.worker()
    succeed(ann, take(ann))
    with gateway(tmp_path, alone.url, **settings):
        wait_for(lambda: receiver.got)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://169.254.169.254/", "nonsense"])
def test_a_gateway_with_a_secret_sends_nothing_inside(redis_url, tmp_path, url):
    with gateway(tmp_path, redis_url, callback_secret=SECRET) as (_, at), httpx2.Client(base_url=at) as http:
        answer = http.post("/analyze", params={"callback_url": url}, content=MP4, headers=ASYNC)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
    assert answer.json()["detail"].startswith("callback_url: ")


def test_a_name_that_stands_for_an_address_inside_is_not_called(alone: Queue, receiver: Receiver, tmp_path):
    with gateway(tmp_path, alone.url, callback_secret=SECRET):
        alone.submit("a", callback_url=receiver.url)
        ann = alone.worker()
        succeed(ann, take(ann))
        wait_for(lambda: not alone.redis.exists(keys.CALLBACKS))
    assert not receiver.got


def test_a_gateway_without_a_secret_takes_no_callbacks(running):
    answer = running.http.post("/analyze", params={"callback_url": "https://example.org/"}, content=MP4)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
    assert "MIEN_CALLBACK_SECRET" in answer.json()["detail"]


def test_a_broken_secret_is_an_operators_error(redis_url, tmp_path):
    with (
        pytest.raises(AssertionError, match="24 to 64 random bytes") as told,
        gateway(tmp_path, redis_url, callback_secret="whsec_c2hvcnQ="),
    ):
        pass
    assert json.dumps("c2hvcnQ=")[1:-1] not in str(told.value)
