"""A Redis that answers, but cannot take more."""

from __future__ import annotations


def test_a_redis_out_of_memory_is_a_service_that_is_unavailable_for_a_while(running):
    running.redis.config_set("maxmemory", 1)
    try:
        answer = running.http.post("/analyze", content=b"\0\0\0\x18ftypisom" + bytes(100))
    finally:
        running.redis.config_set("maxmemory", 0)
    assert answer.status_code == 503
    assert answer.json()["code"] == "queue_unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert running.http.post(
        "/analyze", content=b"\0\0\0\x18ftypisom" + bytes(100), headers={"Prefer": "respond-async"}
    ).is_success
