"""Reservations of uploads under way, and their release however the upload ends."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from service.gateway.usecases.lease import LEASE_S
from service.queue import keys
from service.queue.connection import connect
from tests.contract.helpers import registration
from tests.integration.gateway.raw_http import HEAD, connected, untouched, video
from tests.processes import HANG_S, gateway, wait_for
from tests.videos import write_video

ASYNC = {"Prefer": "respond-async"}


def test_a_slow_upload_keeps_no_other_out(running, queue):
    queue.worker().register(registration(price_per_s=1))
    with connected(running.url) as raw:
        raw.head(transfer_encoding="chunked")
        raw.chunk(HEAD)
        wait_for(lambda: running.redis.zcard(keys.RESERVED) == 1)

        assert int(running.redis.hvals(keys.RESERVED_BYTES)[0]) < 100_000
        assert running.http.post("/analyze", content=video(100), headers=ASYNC).status_code == 202


def test_what_is_reserved_grows_with_what_has_come(running):
    with connected(running.url) as raw:
        raw.head(content_length=4_000_000)
        for sent in (300_000, 3_000_000):
            raw.send(video(sent) if sent == 300_000 else bytes(sent - 300_000))
            wait_for(lambda sent=sent: int((running.redis.hvals(keys.RESERVED_BYTES) or ["0"])[0]) >= sent)
        assert int(running.redis.hvals(keys.RESERVED_BYTES)[0]) <= 4_000_000


def test_many_large_frames_in_few_bytes_count_by_their_pixels(running, queue, tmp_path):
    frames, width, height = 50, 1280, 720
    blank = write_video(tmp_path / "blank.mp4", frames * [np.zeros((height, width, 3), np.uint8)]).read_bytes()
    queue.worker().register(registration(price_per_s=1))
    assert running.http.post("/analyze", content=blank, headers=ASYNC).status_code == 202

    assert queue.live_price() == frames * width * height // 100 > len(blank)
    refused = running.http.post("/analyze", content=blank, headers=ASYNC)

    assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")
    assert "too long" in refused.json()["detail"]


def test_an_upload_that_redis_refuses_at_its_end_leaves_nothing(running):
    with connected(running.url) as raw:
        raw.head(content_length=50_000, **ASYNC)
        raw.send(video(40_000))
        wait_for(lambda: running.redis.zcard(keys.RESERVED) == 1)
        running.redis.config_set("maxmemory", 1)
        try:
            raw.send(bytes(10_000))
            answer = raw.answer()
        finally:
            running.redis.config_set("maxmemory", 0)
    assert (answer.status, answer.problem["code"]) == (503, "queue_unavailable")
    assert "memory is full" in answer.problem["detail"]
    wait_for(lambda: untouched(running.redis, running.folder))


def test_a_full_redis_refuses_before_the_upload_is_read(running):
    running.redis.config_set("maxmemory", 1)
    try:
        with connected(running.url) as raw:
            raw.head(content_length=1000, expect="100-continue")
            assert raw.answer().status == 503
    finally:
        running.redis.config_set("maxmemory", 0)


@pytest.mark.parametrize("renewals", [0, 1])
def test_what_a_killed_gateway_held_is_free_after_a_lease(redis_url, tmp_path, renewals):
    with (
        gateway(tmp_path, redis_url, upload_idle_s=HANG_S) as (process, url),
        connected(url) as raw,
        connect(redis_url) as client,
    ):
        raw.head(content_length=4_000_000)
        raw.send(video(1_000_000))
        wait_for(lambda: client.zcard(keys.RESERVED) == 1)
        [(job_id, until)] = client.zrange(keys.RESERVED, 0, -1, withscores=True)
        if renewals:  # though nothing comes, for the gateway lives
            wait_for(lambda: client.zscore(keys.RESERVED, job_id) > until)
        process.end(signal.SIGKILL)

        assert client.zscore(keys.RESERVED, job_id) <= 1000 * (time.time() + LEASE_S)
