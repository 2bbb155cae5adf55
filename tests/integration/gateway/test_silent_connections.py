"""Idle connections and calls are closed and never block other clients."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from websockets.sync.client import connect

from tests.integration.gateway.raw_http import connected, unreading, video
from tests.processes import HANG_S, Process, gateway, grpc_address, wait_for

PATIENT = {"head_s": 4 * HANG_S, "upload_idle_s": 4 * HANG_S}
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def narrow(redis_server, tmp_path_factory) -> Iterator[tuple[Process, str]]:
    """A gateway that waits for ever, with few places."""
    few = {"connections_max": 8, "connections_per_address": 5, "grpc_calls_per_address": 3, **PATIENT}
    with gateway(tmp_path_factory.mktemp("narrow"), redis_server, **few) as running:
        yield running


def healthy(url: str) -> bool:
    return httpx2.get(f"{url}/healthz", timeout=HANG_S).status_code == 200


def test_a_connection_that_says_nothing_is_closed(hasty):
    with connected(hasty.url) as raw:
        assert raw.closed()


@pytest.mark.parametrize("drip", [b"", b"X-A: b\r\n"])
def test_half_a_head_gets_an_error_and_is_closed_however_slowly_it_comes(hasty, drip):
    with connected(hasty.url) as raw:
        raw.send(HALF_A_HEAD)
        raw.socket.settimeout(0.1)
        while True:
            try:
                raw.send(drip)
                first = raw.socket.recv(1)
            except TimeoutError:
                continue
            break
        raw.socket.settimeout(HANG_S)
        assert first == b"H"
        answer = first + b"".join(iter(lambda: raw.socket.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["code"] == "upload_stalled"


def test_a_connection_that_is_silent_after_an_answer_is_closed(hasty):
    with connected(hasty.url) as raw:
        raw.head("GET", "/healthz")
        assert raw.answer().status == 200
        assert raw.closed()


def test_half_a_second_request_gets_an_error_and_is_closed(hasty):
    with connected(hasty.url) as raw:
        raw.send(HALF_A_HEAD + b"\r\n" + HALF_A_HEAD)
        assert raw.answer().status == 200
        assert raw.answer().status == 408


def test_requests_that_run_or_follow_each_other_are_left_alone(hasty):
    with connected(hasty.url) as raw:
        raw.head("GET", "/analyses/none", prefer="wait=2")
        raw.head("GET", "/healthz")
        assert raw.answer().status == 404
        assert raw.answer().status == 200


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD, HALF_A_HEAD + b"\r\n"])
def test_idle_connections_block_no_other_client(narrow, sent):
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(narrow[1])) for _ in range(30)]
        for raw in silent:
            try:
                raw.send(sent)
            except OSError:
                continue  # it made room
        assert healthy(narrow[1])


def test_where_all_carry_requests_the_next_is_refused_at_once_until_one_ends(redis_url, narrow):
    with ExitStack() as stack:
        busy = [stack.enter_context(connected(narrow[1])) for _ in range(5)]
        for raw in busy:
            raw.head(content_length=1000, expect="100-continue")
            assert raw.answer().status == 100  # one whose head is unread would make room
            raw.send(video(1000)[:500])
        with connected(narrow[1]) as raw:
            answer = raw.answer()  # nothing was asked
        assert (answer.status, answer.problem["code"]) == (503, "too_many_connections")
        assert answer.headers["retry-after"].isdigit()
        refused = httpx2.get(f"{narrow[1]}/healthz", timeout=HANG_S)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_connections")
        assert refused.json()["detail"].startswith("This address has the maximum")
        elsewhere = socket.create_connection(("127.0.0.1", int(narrow[1].rpartition(":")[2])), HANG_S, ("127.0.0.2", 0))
        with elsewhere:
            elsewhere.sendall(HALF_A_HEAD + b"\r\n")
            assert elsewhere.recv(12) == b"HTTP/1.1 200"
        busy[0].socket.close()
        wait_for(lambda: healthy(narrow[1]))
        assert refused_by(narrow[1]) == {"full_address_connections"}


def refused_by(url: str) -> set[str]:
    """Return the limits that refused someone, as the metrics tell."""
    text = httpx2.get(f"{url}/metrics", timeout=HANG_S).text
    return set(re.findall(r'mien_gateway_refusals_total\{reason="(\w+)"\}', text))


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def held(client: socket.socket) -> Callable[[], bool]:
    """Return whether the gateway has its socket of this connection open (Linux), as a function to ask again."""
    local, remote = (f":{port:04X}" for _, port in (client.getpeername(), client.getsockname()))

    def ask() -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        inodes = [row[9] for row in rows if row[1].endswith(local) and row[2].endswith(remote)]
        return any(inode != "0" for inode in inodes)

    return ask


@linux
@pytest.mark.parametrize(
    "paths",
    [["/docs/swagger/swagger-ui-bundle.js"], ["/openapi.json"], 3 * ["/openapi.json"]],
    ids=["cut", "complete", "pipelined"],
)
def test_the_socket_of_a_client_that_does_not_read_is_closed(hasty, paths):
    with closing(unreading(hasty.url)) as client:
        still_held = held(client)
        client.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" for path in paths).encode())
        wait_for(still_held)
        wait_for(lambda: not still_held())


PING = b"\x89\xfd" + bytes(4 + 125)  # the longest, which is sent back


def live_unreading(url: str) -> socket.socket:
    """Return a WebSocket whose client reads nothing more."""
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    head = f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n{upgrade}Sec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
    client = unreading(url)
    client.sendall(head.encode())
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def test_pings_of_a_client_that_does_not_read_the_answers_are_not_read_either(narrow):
    with closing(live_unreading(narrow[1])) as client:
        client.settimeout(2)
        sent, pings = 0, 1000 * PING
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                sent += client.send(pings)
    assert sent < 64 << 20


@linux
def test_a_live_socket_whose_client_does_not_read_is_closed(hasty):
    with closing(live_unreading(hasty.url)) as client:
        still_held = held(client)
        client.sendall(2000 * PING)
        wait_for(still_held)
        wait_for(lambda: not still_held())


def test_connections_whose_answer_is_not_read_count(narrow):
    with ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(closing(unreading(narrow[1])))
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
        with connected(narrow[1]) as raw:
            assert raw.answer().status == 503
    wait_for(lambda: healthy(narrow[1]))


def test_an_answer_that_is_read_slowly_arrives_whole(hasty):
    with closing(unreading(hasty.url)) as client:
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := client.recv(4096):
            answer += data
            time.sleep(0.1)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head


def test_sockets_of_live_analyses_count(narrow):
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(narrow[1].replace("http", "ws") + "/live", open_timeout=HANG_S))
        with connected(narrow[1]) as raw:
            assert raw.answer().status == 503


@pytest.fixture
def hasty_channel(hasty) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(grpc_address(hasty.process)) as channel:
        grpc.channel_ready_future(channel).result(HANG_S)
        yield channel


def never() -> Iterator[object]:
    threading.Event().wait(HANG_S)
    yield from ()


@pytest.mark.parametrize(
    "method",
    [
        "/affect.v1.AffectService/GetAnalysis",
        "/affect.v1.AffectService/WatchAnalysis",
        "/affect.v1.AffectService/Analyze",
        "/affect.v1.AffectService/AnalyzeLive",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_a_call_whose_message_does_not_come_is_ended(hasty_channel, method):
    with pytest.raises(grpc.RpcError) as ended:
        list(hasty_channel.stream_stream(method)(never(), timeout=HANG_S))
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "No message came" in ended.value.details()


def test_a_grpc_connection_that_says_nothing_is_closed(hasty):
    with socket.create_connection(grpc_address(hasty.process).split(":"), HANG_S) as silent:
        while silent.recv(65536):  # the server's settings come first
            pass


def refusal(channel: grpc.Channel) -> grpc.RpcError | None:
    try:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=HANG_S)
    except grpc.RpcError as error:
        return error
    return None


def test_calls_of_one_address_are_bounded_until_some_end(narrow):
    with grpc.insecure_channel(grpc_address(narrow[0])) as channel:
        held = []

        def one_more() -> grpc.RpcError | None:  # calls overtake each other: a probe may take the place of a held one
            held.append(channel.stream_stream("/grpc.health.v1.Health/Check")(never(), timeout=HANG_S))
            return refusal(channel)

        refused = wait_for(one_more)
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "too_many_connections" in dict(refused.trailing_metadata())["grpc-status-details-bin"].decode("latin-1")
        for call in held:
            call.cancel()
        wait_for(lambda: refusal(channel) is None)
    assert "full_address_calls" in refused_by(narrow[1])
