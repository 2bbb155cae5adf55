"""`Idempotency-Key` on `POST /analyze`: a request that is repeated is accepted once."""

from __future__ import annotations

import threading
import time

import httpx2
import pytest

from service.queue import keys
from tests.contract.helpers import Queue, fail, take
from tests.integration.gateway.raw_http import connected, files, video
from tests.processes import HANG_S, wait_for

ASYNC = {"Prefer": "respond-async"}
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


def post(running, content: bytes = video(1000), key: str = KEY, **params):
    headers = {**ASYNC, "Idempotency-Key": key}
    return running.http.post("/analyze", content=content, params=params, headers=headers)


def test_a_repeat_joins_the_accepted_job_and_stores_nothing(running):
    first, again = post(running, faces=2), post(running, key=f'"{KEY}"', faces=2)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert running.redis.xlen(keys.QUEUE) == 1
    assert running.redis.zcard(keys.RESERVED) == 0
    assert len(files(running.folder)) == 1


def test_the_video_counts_and_not_how_it_is_sent(running):
    first = post(running)
    form = running.http.post(
        "/analyze", files={"video": ("a.mp4", video(1000))}, headers={**ASYNC, "Idempotency-Key": KEY}
    )
    spelled_out = post(running, faces=8, start_s=0)

    assert {answer.json()["id"] for answer in (first, form, spelled_out)} == {first.json()["id"]}


def test_another_key_or_none_is_another_request(running):
    post(running)
    post(running, key="another")
    running.http.post("/analyze", content=video(1000), headers=ASYNC)

    assert running.redis.xlen(keys.QUEUE) == 3


@pytest.mark.parametrize("change", ["body", "one byte", "options"])
def test_another_request_with_the_same_key_is_refused(running, change: str):
    first = post(running)
    if change == "options":
        answer = post(running, faces=3)
    else:
        answer = post(running, video(1001) if change == "body" else video(999) + b"\1")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert running.redis.xlen(keys.QUEUE) == 1
    assert len(files(running.folder)) == 1
    assert post(running).json()["id"] == first.json()["id"]


def test_other_options_are_refused_before_the_body_is_read(running):
    post(running)
    with connected(running.url) as raw:
        raw.head(path="/analyze?faces=3", content_length=4_000_000, idempotency_key=KEY)
        assert raw.answer().problem["code"] == "idempotency_key_reused"


def test_while_the_first_uploads_a_repeat_is_told_to_wait_and_then_joins(running):
    with connected(running.url) as raw:
        raw.head(content_length=1000, prefer="respond-async", idempotency_key=KEY)
        raw.send(video(1000)[:500])
        wait_for(lambda: running.redis.zcard(keys.RESERVED) == 1)
        answer = post(running)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
        assert int(answer.headers["retry-after"]) > 0
        raw.send(video(1000)[500:])
        first = raw.answer()
    assert first.status == 202

    assert post(running).headers["location"] == first.headers["location"]
    assert running.redis.xlen(keys.QUEUE) == 1


def test_a_first_that_came_to_nothing_gives_its_key_back_at_once(running):
    assert post(running, b"this is no video at all").status_code == 415
    with connected(running.url) as raw:
        raw.head(content_length=1000, idempotency_key=KEY)
        raw.send(video(1000)[:500])
        wait_for(lambda: running.redis.zcard(keys.RESERVED) == 1)
    wait_for(lambda: not running.redis.exists(keys.idempotency(KEY)))

    assert post(running).status_code == 202


def test_of_many_at_once_one_job_is_accepted(running):
    answers = []

    def send() -> None:
        with httpx2.Client(base_url=running.url, timeout=HANG_S) as http:
            while True:
                answer = http.post("/analyze", content=video(200_000), headers={**ASYNC, "Idempotency-Key": KEY})
                answers.append(answer)
                if answer.status_code != 409:
                    return
                time.sleep(0.05)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert running.redis.xlen(keys.QUEUE) == 1
    assert len(files(running.folder)) == 1


def test_a_repeat_needs_no_room_and_answers_as_the_first_would(running, redis_url):
    queue = Queue.at(redis_url)
    ann = queue.worker()
    post(running)
    fail(ann, take(ann))
    queue.close()

    answer = running.http.post("/analyze", content=video(1000), headers={"Idempotency-Key": KEY})

    assert (answer.status_code, answer.json()["code"]) == (422, "cannot_decode")


def test_a_key_whose_analysis_was_erased_begins_no_other(running):
    running.http.delete(post(running).headers["location"])

    answer = post(running)

    assert (answer.status_code, answer.json()["code"]) == (410, "expired")
    assert "another key" in answer.json()["detail"]
    assert running.redis.xlen(keys.QUEUE) == 0


def test_keys_expire_and_none_is_kept_as_it_was_sent(running):
    post(running)

    assert 3600 < running.redis.ttl(keys.idempotency(KEY)) <= keys.IDEMPOTENCY_TTL_S
    assert not running.redis.keys(f"*{KEY}*")


@pytest.mark.parametrize(("mine", "code"), [(video(1000), None), (video(1001), "idempotency_key_reused")])
def test_an_upload_that_another_with_its_key_overtook_joins_that_or_is_refused(running, mine: bytes, code: str | None):
    with connected(running.url) as raw:
        raw.head(content_length=len(mine), prefer="respond-async", idempotency_key=KEY)
        raw.send(mine[:500])
        wait_for(lambda: running.redis.delete(keys.idempotency(KEY)))  # as if its claim had run out
        other = post(running)
        raw.send(mine[500:])
        answer = raw.answer()

    if code is None:
        assert answer.headers["location"] == other.headers["location"]
    else:
        assert answer.problem["code"] == code
    assert running.redis.xlen(keys.QUEUE) == 1
    assert running.redis.zcard(keys.RESERVED) == 0
    assert len(files(running.folder)) == 1


@pytest.mark.parametrize("key", ["a b", "x" * 256, ""])
def test_a_key_that_is_none_is_refused_before_anything_is_stored(running, key: str):
    answer = post(running, key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
    assert running.redis.xlen(keys.QUEUE) == 0
