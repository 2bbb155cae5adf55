"""API keys over REST and gRPC: authentication, scopes, and what each owner can read; the test plays the worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mien.contract.api_keys import Scope, parse_api_key
from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from service.queue import keys
from service.queue.key_ring import KeyRing
from tests.contract.helpers import Queue, fail, take
from tests.integration.gateway.watching import all_events
from tests.processes import HANG_S, Process, gateway, grpc_address

MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(5000)
OPEN = ("/healthz", "/readyz", "/", "/docs", "/openapi.json", "/page/main.js")
CLOSED = ("/models", "/metrics", "/analyses", "/analyses/x", "/analyses/x/events", "/analyses/x/timeline.csv")


@dataclass
class Locked:
    """A gateway that needs keys, and a client for each of two of them."""

    url: str
    grpc: str
    process: Process
    ring: KeyRing
    ann: httpx2.Client
    bob: httpx2.Client
    stranger: httpx2.Client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def _locked(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    with gateway(tmp_path_factory.mktemp("locked"), redis_server, require_keys="true", wait_s=0) as running:
        yield running


@pytest.fixture
def locked(_locked: tuple[Process, str], queue: Queue) -> Iterator[Locked]:
    ring, (process, url) = KeyRing(queue.redis), _locked
    with (
        httpx2.Client(base_url=url, headers=bearer(ring.create("ann"))) as ann,
        httpx2.Client(base_url=url, headers=bearer(ring.create("bob"))) as bob,
        httpx2.Client(base_url=url) as stranger,
    ):
        yield Locked(url, grpc_address(process), process, ring, ann, bob, stranger)


def upload(http: httpx2.Client, **headers: str) -> str:
    answer = http.post("/analyze", content=MP4, headers={"Content-Type": "video/mp4", **headers})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/analyses/{answer.json()['id']}"
    return answer.json()["id"]


def test_without_a_key_only_what_tells_nothing_is_open(locked: Locked):
    for path in OPEN:
        assert locked.stranger.get(path).status_code == 200, path
    for path in CLOSED:
        answer = locked.stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "key_required"), path
        assert answer.headers["www-authenticate"] == "Bearer"
    refused = locked.stranger.post("/analyze", content=MP4)
    assert refused.json()["code"] == "key_required"
    assert locked.stranger.delete("/analyses/x").json()["code"] == "key_required"
    assert locked.ann.get("/models").status_code == 200


@pytest.mark.parametrize("given", ["Bearer nonsense", "Basic YTpi", "Bearer", "mien_1", "Bearer a b"])
def test_what_is_no_key_is_refused(locked: Locked, given: str):
    answer = locked.stranger.get("/models", headers={"Authorization": given})

    assert (answer.status_code, answer.json()["code"]) == (401, "key_refused")


def test_a_key_that_was_revoked_is_worthless_at_once(locked: Locked):
    assert locked.ann.get("/models").status_code == 200
    [(ann, entry), (bob, _)] = locked.ring.entries()
    assert entry.name == "ann"

    assert locked.ring.revoke(ann)

    assert locked.ann.get("/models").json()["code"] == "key_refused"
    assert locked.bob.get("/models").status_code == 200
    assert not locked.ring.revoke(ann)
    assert [key_id for key_id, _ in locked.ring.entries()] == [bob]


def test_another_keys_secret_with_a_valid_id_is_refused(locked: Locked):
    from mien.contract.api_keys import _checksum

    [(ann, _), _] = locked.ring.entries()
    body = f"mien_{ann}_{'A' * 43}"

    answer = locked.stranger.get("/models", headers=bearer(f"{body}_{_checksum(body)}"))

    assert answer.json()["code"] == "key_refused"


def test_each_sees_its_own_and_nothing_else(locked: Locked, queue: Queue):
    anns, bobs = upload(locked.ann), upload(locked.bob)

    for mine, other, http in ((anns, bobs, locked.ann), (bobs, anns, locked.bob)):
        assert [one["id"] for one in http.get("/analyses").json()["analyses"]] == [mine]
        assert http.get(f"/analyses/{mine}").json()["id"] == mine
        for path in (f"/analyses/{other}", f"/analyses/{other}/events", f"/analyses/{other}/timeline.csv"):
            assert http.get(path).status_code == 404
        assert http.delete(f"/analyses/{other}").status_code == 404
    ann = queue.worker()
    for _ in range(2):
        fail(ann, take(ann))
    assert all_events(locked.ann, anns)[-1].data["state"] == "failed"
    assert locked.bob.get(f"/analyses/{bobs}").json()["state"] == "failed"
    assert locked.ann.delete(f"/analyses/{anns}").status_code == 204
    assert locked.ann.get(f"/analyses/{anns}").status_code == 410
    assert locked.bob.get(f"/analyses/{anns}").status_code == 404
    assert locked.ann.get("/analyses").json()["analyses"] == []


def test_the_name_that_the_queue_has_for_an_analysis_opens_nothing(locked: Locked, queue: Queue, running):
    anns = upload(locked.ann)
    [inside] = [key.removeprefix("mien:job:") for key in queue.redis.keys("mien:job:*")]
    assert inside.endswith(f"-{anns}")

    assert locked.bob.get(f"/analyses/{inside}").status_code == 404
    assert running.http.get(f"/analyses/{inside}").status_code == 404  # a gateway that needs no keys
    assert running.http.get("/analyses").json()["analyses"] == []


def test_the_same_idempotency_key_of_two_owners_is_two(locked: Locked):
    one, same = (upload(locked.ann, **{"Idempotency-Key": "first"}) for _ in range(2))
    other = upload(locked.bob, **{"Idempotency-Key": "first"})

    assert one == same != other


def test_grpc_asks_for_the_key_too(locked: Locked):
    key = {"authorization": locked.ann.headers["authorization"]}
    anns, bobs = upload(locked.ann), upload(locked.bob)
    with grpc.insecure_channel(locked.grpc) as channel:
        stub = AffectServiceStub(channel)
        for call in (
            lambda **how: stub.GetAnalysis(pb.GetAnalysisRequest(id=anns), **how),
            lambda **how: stub.ListAnalyses(pb.ListAnalysesRequest(), **how),
            lambda **how: stub.CancelAnalysis(pb.CancelAnalysisRequest(id=anns), **how),
            lambda **how: next(stub.WatchAnalysis(pb.WatchAnalysisRequest(id=anns), **how)),
            lambda **how: list(stub.Analyze(iter([pb.AnalyzeRequest(options=pb.Options())]), **how)),
            lambda **how: list(stub.AnalyzeLive(iter([pb.AnalyzeLiveRequest(options=pb.LiveOptions())]), **how)),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        read = stub.GetAnalysis(pb.GetAnalysisRequest(id=anns), metadata=tuple(key.items()))
        assert read.analysis.id == anns
        listed = stub.ListAnalyses(pb.ListAnalysesRequest(), metadata=tuple(key.items()))
        assert [one.id for one in listed.analyses] == [anns]
        with pytest.raises(grpc.RpcError) as missing:
            stub.GetAnalysis(pb.GetAnalysisRequest(id=bobs), metadata=tuple(key.items()))
        assert missing.value.code() is grpc.StatusCode.NOT_FOUND
        stub.CancelAnalysis(pb.CancelAnalysisRequest(id=anns), metadata=tuple(key.items()))


@pytest.mark.parametrize(("key", "code"), [(None, "key_required"), ("mien_nonsense", "key_refused")])
def test_the_live_socket_asks_for_the_key_in_its_first_message(locked: Locked, key: str | None, code: str):
    with connect(locked.url.replace("http", "ws") + "/live", open_timeout=HANG_S) as socket:
        socket.send(json.dumps({"options": {}} | ({"key": key} if key else {})))
        told = json.loads(socket.recv(timeout=HANG_S))
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=HANG_S)

    assert (told["event"], told["code"], told["status"]) == ("problem", code, 401)


def test_with_its_key_the_live_socket_goes_on(locked: Locked):
    with connect(locked.url.replace("http", "ws") + "/live", open_timeout=HANG_S) as socket:
        key = locked.ann.headers["authorization"].removeprefix("Bearer ")
        socket.send(json.dumps({"options": {}, "key": key}))
        told = json.loads(socket.recv(timeout=HANG_S))

    assert told["code"] == "no_worker"  # there is none in this test


def test_a_page_of_another_site_that_has_a_key_may_change_things(locked: Locked):
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}

    assert locked.stranger.post("/analyze", content=MP4, headers=elsewhere).json()["code"] == "cross_site"
    assert locked.ann.post("/analyze", content=MP4, headers=elsewhere).status_code == 202


def test_only_a_digest_is_kept(locked: Locked, queue: Queue):
    text = locked.ann.headers["authorization"].removeprefix("Bearer ")
    kept = json.dumps(queue.redis.hgetall(keys.API_KEYS))

    assert text.split("_")[1] in kept
    assert text.split("_", 2)[2][:43] not in kept


def test_a_gateway_off_loopback_needs_keys_by_default(redis_url, tmp_path):
    with gateway(tmp_path, redis_url, host="0.0.0.0") as (_, url):
        assert httpx2.get(f"{url}/models").json()["code"] == "key_required"


def mien(*arguments: str, redis_url: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("mien"), "keys", *arguments]
    environment = {**os.environ, "MIEN_REDIS_URL": redis_url}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def test_the_command_makes_lists_and_revokes_keys(locked: Locked, redis_url):
    made = mien("create", "the robot", redis_url=redis_url)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert locked.stranger.get("/models", headers=bearer(key)).status_code == 200

    listed = mien("list", redis_url=redis_url).stdout.splitlines()
    assert [line.split(maxsplit=5)[5] for line in listed] == ["ann", "bob", "the robot"]
    assert key not in "".join(listed)

    assert mien("revoke", listed[2].split()[0], redis_url=redis_url).returncode == 0
    assert locked.stranger.get("/models", headers=bearer(key)).json()["code"] == "key_refused"
    again = mien("revoke", listed[2].split()[0], redis_url=redis_url)
    assert (again.returncode, again.stdout) == (1, "")
    assert "no key has the id" in again.stderr


def test_a_redis_that_does_not_answer_is_said():
    done = mien("list", redis_url="redis://user:secret@127.0.0.1:1/0")

    assert done.returncode == 1
    assert "127.0.0.1:1/0 does not answer" in done.stderr
    assert "secret" not in done.stderr


def test_a_key_does_what_its_scopes_allow_at_both_doors(locked: Locked, redis_url):
    [(ann, _), _] = locked.ring.entries()
    made = mien("create", "the screen", "--scope", "read", "--owner", ann, redis_url=redis_url)
    assert made.returncode == 0, made.stderr
    reads, operates = bearer(made.stdout.strip()), bearer(locked.ring.create("watch", [Scope.ADMIN]))
    anns = upload(locked.ann)

    assert locked.stranger.get(f"/analyses/{anns}", headers=reads).json()["id"] == anns
    assert locked.stranger.get("/metrics", headers=operates).status_code == 200
    for method, path, headers in (
        ("POST", "/analyze", reads),
        ("POST", "/uploads", reads),
        ("DELETE", f"/analyses/{anns}", reads),
        ("GET", "/metrics", reads),
        ("GET", "/metrics", dict(locked.ann.headers)),
        ("GET", "/analyses", operates),
        ("POST", "/analyze", operates),
    ):
        refused = locked.stranger.request(method, path, headers=headers, content=MP4 if method == "POST" else None)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing"), (method, path)
        if path == "/metrics":
            assert refused.json()["detail"].startswith("This API key may not read the service's metrics. ")
    metadata = (("authorization", reads["Authorization"]),)
    with grpc.insecure_channel(locked.grpc) as channel:
        stub = AffectServiceStub(channel)
        assert stub.GetAnalysis(pb.GetAnalysisRequest(id=anns), metadata=metadata).analysis.id == anns
        for call in (
            lambda: stub.CancelAnalysis(pb.CancelAnalysisRequest(id=anns), metadata=metadata),
            lambda: list(stub.Analyze(iter([pb.AnalyzeRequest(options=pb.Options())]), metadata=metadata)),
            lambda: list(stub.AnalyzeLive(iter([pb.AnalyzeLiveRequest()]), metadata=metadata)),
        ):
            with pytest.raises(grpc.RpcError) as denied:
                call()
            assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert mien("create", "x", "--owner", "00000000", redis_url=redis_url).returncode == 1


def test_every_rotation_of_a_key_keeps_its_analyses(locked: Locked, redis_url):
    [(old, _), _] = locked.ring.entries()
    anns = upload(locked.ann)
    for _ in range(2):
        text = locked.ring.create("ann", owner=old)
        assert locked.ring.revoke(old)
        old = parse_api_key(text).id

    assert locked.stranger.get(f"/analyses/{anns}", headers=bearer(text)).status_code == 200


def test_wrong_keys_are_slowed_down_by_address_and_right_ones_are_not(locked: Locked, queue: Queue):
    answers = [locked.stranger.get("/models", headers=bearer(f"mien_{n}")) for n in range(25)]

    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
    assert answers[-1].json()["code"] == "too_many_wrong_keys"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert locked.ann.get("/models").status_code == 200
    with grpc.insecure_channel(locked.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        AffectServiceStub(channel).ListAnalyses(pb.ListAnalysesRequest(), metadata=(("authorization", "Bearer x"),))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    [counted] = queue.redis.keys("mien:wrong_keys:*")
    assert 0 < queue.redis.ttl(counted) <= 60


def test_the_audit_log_tells_who_used_a_key_and_what_was_deleted_and_no_secret(locked: Locked):
    key = locked.ann.headers["authorization"].removeprefix("Bearer ")
    [(ann, _), _] = locked.ring.entries()
    before = len(locked.process.log.read_text())
    anns = upload(locked.ann)
    locked.ann.delete(f"/analyses/{anns}")
    locked.stranger.get("/models", headers=bearer(f"{key}x"))

    lines = [json.loads(line) for line in locked.process.log.read_text()[before:].splitlines()]
    told = [line for line in lines if line.get("log") == "audit"]
    assert {"key": ann, "scope": "analyze"}.items() <= told[0].items()
    assert [line["event"] for line in told] == ["key used", "key used", "analysis deleted", "wrong key"]
    assert {"key": ann, "analysis": anns, "found": True}.items() <= told[2].items()
    assert told[3]["address"] == "127.0.0.1"
    assert key.rsplit("_", 2)[1] not in locked.process.log.read_text()
