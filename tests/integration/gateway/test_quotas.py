"""Quotas of an API key, at a time and in a day, over REST and gRPC."""

from __future__ import annotations

import json

import grpc
import httpx2
import pytest
from google.rpc.error_details_pb2 import QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status
from websockets.sync.client import ClientConnection, connect

from mien.contract.api_keys import parse_api_key
from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from service.queue import keys
from service.queue.key_ring import KeyRing
from service.queue.live_sessions import LiveSessions
from tests.contract.helpers import fail, report, take
from tests.integration.gateway.raw_http import connected, video
from tests.processes import HANG_S, gateway, grpc_address, wait_for


@pytest.fixture(scope="module")
def _limited(redis_server, tmp_path_factory):
    settings = {"key_max_jobs": 2, "key_max_uploads": 1, "key_max_video_s": 10, "key_max_live": 1}
    folder = tmp_path_factory.mktemp("limited")
    with gateway(folder, redis_server, require_keys="true", wait_s=0, **settings) as running:
        yield running


@pytest.fixture
def limited(_limited, queue):
    """A gateway where a key may have two jobs, one upload and ten seconds of video; its gRPC and two clients."""
    ring, (process, url) = KeyRing(queue.redis), _limited
    clients = [httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {ring.create(name)}"}) for name in "ab"]
    yield grpc_address(process), url, *clients
    for client in clients:
        client.close()


def refused(answer: httpx2.Response, why: str) -> int:
    assert (answer.status_code, answer.json()["code"]) == (429, "quota_reached"), answer.text
    assert why in answer.json()["detail"]
    return int(answer.headers["retry-after"])


def send(http: httpx2.Client) -> httpx2.Response:
    return http.post("/analyze", content=video(1000))


def test_a_key_has_so_many_jobs_at_a_time_and_others_have_theirs(limited, queue):
    address, _, ann, bob = limited
    assert [send(ann).status_code for _ in range(2)] == [202, 202]

    assert refused(send(ann), "analyses under way") > 0
    assert send(bob).status_code == 202
    call = [pb.AnalyzeRequest(options=pb.Options()), pb.AnalyzeRequest(chunk=video(1000))]
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as denied:
        list(
            AffectServiceStub(channel).Analyze(iter(call), metadata=(("authorization", ann.headers["authorization"]),))
        )
    assert denied.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    told = dict(denied.value.trailing_metadata())["grpc-status-details-bin"]
    details = Status.FromString(told).details
    assert any(detail.Is(QuotaFailure.DESCRIPTOR) for detail in details)
    assert any(detail.Is(RetryInfo.DESCRIPTOR) for detail in details)

    worker = queue.worker()
    fail(worker, take(worker))
    assert send(ann).status_code == 202


def test_a_key_uploads_so_many_at_a_time(limited, queue):
    _, url, ann, _ = limited
    with connected(url) as raw:
        raw.head(content_length=1000, authorization=ann.headers["authorization"])
        raw.send(video(900))
        wait_for(lambda: queue.redis.zcard(keys.RESERVED) == 1)
        assert refused(send(ann), "uploads under way") > 0
    wait_for(lambda: queue.redis.zcard(keys.RESERVED) == 0)
    assert send(ann).status_code == 202


def test_a_key_has_so_many_seconds_of_video_in_a_day(limited, queue):
    _, _, ann, bob = limited
    worker = queue.worker()
    for _ in range(2):
        assert send(ann).status_code == 202
        attempt = take(worker)
        report(worker, attempt, 5.0, 5.0)
        fail(worker, attempt)

    assert 86_000 < refused(send(ann), "seconds of video") <= 86_400
    assert send(bob).status_code == 202


def test_an_erased_analysis_counts_no_more_as_under_way_and_its_video_does(limited, queue):
    _, _, ann, _ = limited
    worker = queue.worker()
    for _ in range(2):
        location = send(ann).headers["location"]
        report(worker, take(worker), 5.0, None)
        assert ann.delete(location).status_code == 204

    refused(send(ann), "seconds of video")
    assert queue.redis.keys("mien:live:*") == []


def key_of(http: httpx2.Client) -> str:
    return http.headers["authorization"].removeprefix("Bearer ")


def begun(url: str, http: httpx2.Client) -> ClientConnection:
    """Begin a live analysis, for which there is no worker."""
    socket = connect(url.replace("http", "ws") + "/live")
    socket.send(json.dumps({"options": {}, "key": key_of(http)}))
    return socket


def test_a_key_has_so_many_live_analyses_at_a_time_and_others_have_theirs(limited, queue):
    address, url, ann, bob = limited
    owner = parse_api_key(key_of(ann)).id
    sessions = LiveSessions(queue._gateway)
    assert queue.run(sessions.take_place(owner, "one that runs", 1, lease_s=HANG_S))

    with begun(url, ann) as socket:
        told = json.loads(socket.recv(timeout=HANG_S))
    assert (told["status"], told["code"]) == (429, "quota_reached")
    first = pb.AnalyzeLiveRequest(options=pb.LiveOptions())
    metadata = (("authorization", ann.headers["authorization"]),)
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as denied:
        list(AffectServiceStub(channel).AnalyzeLive(iter([first]), metadata=metadata))
    assert denied.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "maximum number of live analyses" in denied.value.details()
    with begun(url, bob) as socket:
        assert json.loads(socket.recv(timeout=HANG_S))["code"] == "no_worker"

    queue.run(sessions.leave_place(owner, "one that runs"))
    with begun(url, ann) as socket:
        wait_for(lambda: queue.redis.zcard(keys.sessions_of(owner)) == 1)
        assert json.loads(socket.recv(timeout=HANG_S))["code"] == "no_worker"
    wait_for(lambda: queue.redis.zcard(keys.sessions_of(owner)) == 0)


def test_the_place_of_a_live_analysis_whose_gateway_was_killed_is_free_after_its_lease(queue):
    sessions = LiveSessions(queue._gateway)
    assert queue.run(sessions.take_place("ann", "dead", 1, lease_s=0.1))

    wait_for(lambda: queue.run(sessions.take_place("ann", "next", 1, lease_s=60)))
    assert not queue.run(sessions.take_place("ann", "third", 1, lease_s=60))
    queue.run(sessions.renew_place("ann", "next", lease_s=0.1))
    wait_for(lambda: not queue.redis.exists(keys.sessions_of("ann")))
