"""A key that is revoked ends what is under way with it: waits, event streams and live analyses, by every protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

import grpc
import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_socket

from mien.contract.live_messages import LiveUpdate
from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from service.queue.connection import connect
from service.queue.key_ring import KeyRing
from service.queue.live_sessions import LiveSessionQueue
from tests.contract.helpers import Queue, fail, take
from tests.integration.gateway.watching import watching
from tests.processes import HANG_S, Process, gateway, grpc_address, wait_for

MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(5000)
REVOKED = "This API key was revoked. Send a valid one."


@dataclass
class Revocable:
    """A gateway that needs keys, a client with a key, and the analysis that it has sent."""

    url: str
    process: Process
    key: str
    http: httpx2.Client
    analysis: str
    ring: KeyRing

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.key}"),)

    def revoke(self) -> None:
        assert self.ring.revoke(self.key.split("_")[1])

    def uses(self) -> int:
        return self.process.log.read_text().count('"event": "key used"')


@pytest.fixture(scope="module")
def _running(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    folder = tmp_path_factory.mktemp("revocable")
    with gateway(folder, redis_server, require_keys="true", wait_s=HANG_S) as running:
        yield running


@pytest.fixture
def revocable(_running: tuple[Process, str], queue: Queue) -> Iterator[Revocable]:
    (process, url), ring = _running, KeyRing(queue.redis)
    key = ring.create("ann")
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=HANG_S) as http:
        accepted = http.post("/analyze", content=MP4, headers={"Prefer": "respond-async"})
        yield Revocable(url, process, key, http, accepted.json()["id"], ring)


@contextmanager
def taking_live_sessions(redis_url: str) -> Iterator[None]:
    """Play a worker that takes one live session and waits for its frames."""
    over = Event()
    with connect(redis_url, text=False) as redis:
        sessions = LiveSessionQueue(redis, redis)

        def serve() -> None:
            session = wait_for(lambda: sessions.claim(0.2))
            with sessions.join(session) as channel:
                channel.send(LiveUpdate(credits=5))
                while not over.is_set() and channel.receive(0.2) != b"":
                    channel.send(LiveUpdate())

        with ThreadPoolExecutor(1) as threads:
            serving = threads.submit(serve)
            try:
                yield
            finally:
                over.set()
                serving.result(HANG_S)


def assert_refused(error: grpc.RpcError) -> None:
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, REVOKED)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_waits_for_the_end_gets_401(revocable: Revocable, method: str):
    before = revocable.uses()
    path = "/analyze" if method == "POST" else f"/analyses/{revocable.analysis}"
    content = MP4 if method == "POST" else None
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(
            revocable.http.request, method, path, content=content, headers={"Prefer": f"wait={HANG_S}"}
        )
        wait_for(lambda: revocable.uses() > before)

        revocable.revoke()

        answer = waiting.result(HANG_S)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (401, "key_refused", REVOKED)


def test_events_end_and_cannot_be_resumed(revocable: Revocable):
    with watching(revocable.http, revocable.analysis) as events:
        revocable.revoke()

        assert list(events) == []
    assert revocable.http.get(f"/analyses/{revocable.analysis}/events").json()["code"] == "key_refused"


def test_a_grpc_call_that_watches_ends(revocable: Revocable):
    with grpc.insecure_channel(grpc_address(revocable.process)) as channel:
        before = revocable.uses()
        events = AffectServiceStub(channel).WatchAnalysis(
            pb.WatchAnalysisRequest(id=revocable.analysis), metadata=revocable.metadata, timeout=HANG_S
        )
        wait_for(lambda: revocable.uses() > before)

        revocable.revoke()

        with pytest.raises(grpc.RpcError) as ended:
            next(events)
    assert_refused(ended.value)


def test_a_grpc_upload_ends(revocable: Revocable):
    sent = Event()

    def video() -> Iterator[pb.AnalyzeRequest]:
        yield pb.AnalyzeRequest(options=pb.Options())
        yield pb.AnalyzeRequest(chunk=MP4)
        sent.wait(HANG_S)

    with grpc.insecure_channel(grpc_address(revocable.process)) as channel:
        before = revocable.uses()
        answers = AffectServiceStub(channel).Analyze(video(), metadata=revocable.metadata, timeout=HANG_S)
        wait_for(lambda: revocable.uses() > before)

        revocable.revoke()

        with pytest.raises(grpc.RpcError) as ended:
            next(answers)
        sent.set()
    assert_refused(ended.value)


def test_a_grpc_live_analysis_ends(revocable: Revocable, redis_url: str):
    over = Event()

    def frames() -> Iterator[pb.AnalyzeLiveRequest]:
        yield pb.AnalyzeLiveRequest(options=pb.LiveOptions())
        number = 0
        while not over.wait(0.5):
            number += 1
            yield pb.AnalyzeLiveRequest(frame=pb.LiveFrame(time_s=number, jpeg=b"\xff\xd8\xff"))

    with taking_live_sessions(redis_url), grpc.insecure_channel(grpc_address(revocable.process)) as channel:
        before = revocable.uses()
        windows = AffectServiceStub(channel).AnalyzeLive(frames(), metadata=revocable.metadata, timeout=HANG_S)
        wait_for(lambda: revocable.uses() > before)

        revocable.revoke()

        with pytest.raises(grpc.RpcError) as ended:
            next(windows)
        over.set()
    assert_refused(ended.value)


def test_a_live_socket_says_why_and_is_closed(revocable: Revocable, redis_url: str):
    with (
        taking_live_sessions(redis_url),
        connect_socket(revocable.url.replace("http", "ws") + "/live", open_timeout=HANG_S) as socket,
    ):
        before = revocable.uses()
        socket.send(json.dumps({"options": {}, "key": revocable.key}))
        wait_for(lambda: revocable.uses() > before)

        revocable.revoke()

        told = json.loads(socket.recv(timeout=HANG_S))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=HANG_S)
    assert (told["event"], told["code"], told["detail"]) == ("problem", "key_refused", REVOKED)
    assert closed.value.rcvd.code == 1008


def test_what_others_have_under_way_goes_on(revocable: Revocable, queue: Queue):
    other = revocable.ring.create("bob")
    revocable.ring.create("unused")
    with watching(revocable.http, revocable.analysis) as events:
        assert revocable.ring.revoke(other.split("_")[1])
        revocable.http.get("/models", headers={"Authorization": f"Bearer {other}"})
        ann = queue.worker()
        fail(ann, take(ann))

        assert [event.event for event in events] == ["began", "ended"]
