"""Readiness: which part fails, and which operations still work."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import httpx2
import pytest

from tests.integration.gateway.raw_http import video
from tests.processes import gateway, wait_for
from tests.s3 import s3_bucket

ASYNC = {"Prefer": "respond-async"}


def not_ready(http: httpx2.Client, code: str) -> dict[str, object]:
    answer = wait_for(lambda: answer if (answer := http.get("/readyz")).status_code == 503 else None)
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"] == code
    return answer.json()


def out_of_memory(redis) -> Callable[[], object]:
    redis.config_set("maxmemory", 1)
    return lambda: redis.config_set("maxmemory", 0)


def a_replica(redis) -> Callable[[], object]:
    redis.config_set("replica-serve-stale-data", "yes")
    redis.replicaof("127.0.0.1", 1)
    return lambda: redis.replicaof("NO", "ONE")


def short_of_replicas(redis) -> Callable[[], object]:
    redis.config_set("min-replicas-to-write", 1)
    return lambda: redis.config_set("min-replicas-to-write", 0)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [(out_of_memory, "memory is full"), (a_replica, "read-only replica"), (short_of_replicas, "replicas are gone")],
)
def test_a_redis_that_refuses_writes_is_reported_with_what_still_works(running, break_it, reason):
    location = running.http.post("/analyze", content=video(100), headers=ASYNC).headers["location"]
    mend = break_it(running.redis)
    try:
        told = not_ready(running.http, "queue_unavailable")
        assert reason in told["failing"]["queue"]
        assert told["works"] == ["read", "results"]
        assert running.http.get(location).json()["state"] == "queued"
        assert running.http.post("/analyze", content=video(100)).status_code == 503
    finally:
        mend()
    assert running.http.get("/readyz").json() == {"status": "ok", "queued": 1, "workers": 0}


def test_a_folder_that_refuses_writes_is_reported_and_recovers(redis_url, tmp_path):
    with gateway(tmp_path, redis_url) as (_, url), httpx2.Client(base_url=url) as http:
        assert http.get("/readyz").status_code == 200
        shutil.rmtree(tmp_path / "blobs")
        (tmp_path / "blobs").write_bytes(b"")  # no folder, which root could not write to either

        told = not_ready(http, "storage_unavailable")
        assert set(told["failing"]) == {"store"}
        assert "analyze" not in told["works"]
        assert {"read", "live"} <= set(told["works"])
        assert 'mien_takes_writes{part="store"} 0.0' in http.get("/metrics").text

        (tmp_path / "blobs").unlink()
        (tmp_path / "blobs").mkdir()
        wait_for(lambda: http.get("/readyz").status_code == 200)


def test_a_missing_bucket_is_reported(redis_url, tmp_path):
    with s3_bucket() as bucket:
        where = {"blobs_url": "s3://elsewhere", "s3_endpoint": bucket.endpoint}
        with gateway(tmp_path, redis_url, **where) as (_, url), httpx2.Client(base_url=url) as http:
            told = not_ready(http, "storage_unavailable")
            assert "bucket does not exist" in told["failing"]["store"]
            assert told["works"] == ["read", "live"]
