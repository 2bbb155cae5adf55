import re
import time

import httpx2
import pytest

from service.queue import keys
from tests.integration.gateway.raw_http import connected, files, untouched, video
from tests.processes import HANG_S, gateway, wait_for

ULID = r"[0-9A-HJKMNP-TV-Z]{26}"
ASYNC = {"Prefer": "respond-async"}
# Who waits so long does not see the answer.
TOO_LONG_S = 4 * HANG_S


@pytest.fixture(scope="module")
def patient(redis_server, tmp_path_factory):
    """A gateway that lets a request wait for longer than any client here."""
    with gateway(tmp_path_factory.mktemp("patient"), redis_server, wait_s=TOO_LONG_S) as (_, url):
        yield url


def test_an_accepted_video_lies_whole_in_the_store_and_is_queued_once(running):
    sent = video(3_000_000)
    answer = running.http.post("/analyze", content=sent, headers=ASYNC)
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    assert re.fullmatch(ULID, job_id)
    assert answer.headers["location"] == f"/analyses/{job_id}"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["state"] == "queued"
    assert [file.read_bytes() for file in files(running.folder)] == [sent]
    assert running.redis.xlen(keys.QUEUE) == 1
    assert running.redis.zcard(keys.RESERVED) == 0
    assert int(running.redis.get(keys.LIVE_BYTES)) == len(sent)
    read = running.http.get(answer.headers["location"])
    assert (read.status_code, read.json()["state"]) == (200, "queued")


def test_a_form_and_a_body_store_the_same_bytes(running):
    sent = video(700_000)
    running.http.post("/analyze", content=sent, headers=ASYNC)
    running.http.post("/analyze", files={"video": ("../../etc/passwd", sent)}, headers=ASYNC)
    first, second = files(running.folder)
    assert first.read_bytes() == second.read_bytes() == sent


def test_blobs_are_named_by_the_server_and_private(running):
    running.http.post("/analyze", files={"video": ("../../evil.sh", video(1000), "x/y")}, headers=ASYNC)
    (blob,) = files(running.folder)
    assert re.fullmatch(ULID, blob.name)
    assert blob.parent.name == "uploads"
    assert blob.stat().st_mode & 0o077 == 0
    assert blob.parent.stat().st_mode & 0o077 == 0


def test_a_chunked_upload_is_taken(running):
    sent = video(400_000)
    with connected(running.url) as raw:
        raw.head(transfer_encoding="chunked", prefer="respond-async")
        for start in range(0, len(sent), 50_000):
            raw.chunk(sent[start : start + 50_000])
        raw.chunk(b"")
        assert raw.answer().status == 202
    assert files(running.folder)[0].read_bytes() == sent


def test_the_options_are_kept_with_the_job(running):
    answer = running.http.post(
        "/analyze",
        params={"faces": 2, "start_s": 0.5, "tasks": ["expression", "dimensions"]},
        content=video(100),
        headers=ASYNC,
    )
    options = running.redis.hget(keys.job(answer.json()["id"]), "options")
    assert '"faces":2,' in options
    assert '"start_s":0.5' in options
    assert '"tasks":["expression","dimensions"]' in options


@pytest.mark.parametrize("prefer", ["wait=1", "respond-async, wait=1"])
def test_a_wait_is_honoured_and_ends_in_202(patient, redis_url, prefer):
    began = time.monotonic()
    answer = httpx2.post(f"{patient}/analyze", content=video(100), headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert time.monotonic() - began >= 1


def test_without_a_preference_the_gateways_own_wait_holds_and_no_longer_one_is_to_be_had(running):
    for headers in ({}, {"Prefer": f"wait={TOO_LONG_S}"}):
        began = time.monotonic()
        assert running.http.post("/analyze", content=video(100), headers=headers).status_code == 202
        assert time.monotonic() - began >= 0.5


def test_reading_waits_only_when_asked_to(patient, redis_url):
    location = httpx2.post(f"{patient}/analyze", content=video(100), headers=ASYNC).headers["location"]
    assert httpx2.get(patient + location).json()["state"] == "queued"
    began = time.monotonic()
    answer = httpx2.get(patient + location, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    assert time.monotonic() - began >= 1


def test_several_prefer_headers_count_as_one(patient, redis_url):
    with connected(patient) as raw:
        raw.send(
            b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nPrefer: respond-async\r\nPrefer: wait=0\r\n"
            b"Content-Length: 100\r\n\r\n"
        )
        raw.send(video(100))
        assert raw.answer().status == 202


def test_a_client_that_leaves_while_it_waits_does_not_cancel_its_job(patient, running):
    with connected(patient) as raw:
        raw.head(content_length=100)
        raw.send(video(100))
        [job_id] = wait_for(lambda: running.redis.zrange(keys.LIVE, 0, -1))
    time.sleep(0.3)
    assert httpx2.get(f"{patient}/analyses/{job_id}").json()["state"] == "queued"
    assert running.redis.xlen(keys.QUEUE) == 1


def test_a_queued_analysis_is_erased_and_then_gone(running):
    location = running.http.post("/analyze", content=video(100), headers=ASYNC).headers["location"]
    answer = running.http.delete(location)
    assert (answer.status_code, answer.content) == (204, b"")
    assert untouched(running.redis, running.folder)
    assert int(running.redis.get(keys.LIVE_BYTES)) == 0
    for method in ("GET", "DELETE"):
        gone = running.http.request(method, location)
        assert (gone.status_code, gone.json()["code"]) == (410, "expired")
    assert "deleted" in running.http.get(location).json()["detail"]


def test_an_id_that_never_was_is_not_found(running):
    for method in ("GET", "DELETE"):
        answer = running.http.request(method, "/analyses/01J00000000000000000000000")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["content-type"] == "application/problem+json"


def test_deleting_ends_a_wait_at_once(patient, redis_url):
    location = httpx2.post(f"{patient}/analyze", content=video(100), headers=ASYNC).headers["location"]
    with connected(patient) as raw:
        raw.head("GET", location, prefer=f"wait={TOO_LONG_S}")
        time.sleep(0.3)
        httpx2.delete(patient + location)
        assert raw.answer().status == 410
