"""A Redis that is reachable but refuses writes because its memory is full."""

from __future__ import annotations

from math import isnan


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


def test_a_redis_that_takes_nothing_shows_in_the_metrics(running):
    most = 1 << 30
    running.redis.config_set("maxmemory", most)
    try:
        fits = metrics(running)
        running.redis.config_set("maxmemory", 1)
        full = metrics(running)
    finally:
        running.redis.config_set("maxmemory", 0)

    assert 1e5 < fits["mien_redis_used_bytes"] < fits["mien_redis_max_bytes"] == most
    assert fits["mien_queue_jobs"] == 0
    assert full["mien_redis_used_bytes"] > full["mien_redis_max_bytes"] == 1
    assert isnan(full["mien_queue_jobs"])
    assert (fits['mien_takes_writes{part="queue"}'], full['mien_takes_writes{part="queue"}']) == (1, 0)
    assert metrics(running)["mien_redis_max_bytes"] == 0


def test_a_redis_that_may_not_be_asked_for_its_memory_leaves_the_other_metrics(running):
    running.redis.execute_command("ACL", "SETUSER", "default", "-info")
    try:
        found = metrics(running)
    finally:
        running.redis.execute_command("ACL", "SETUSER", "default", "+info")

    assert isnan(found["mien_redis_used_bytes"])
    assert found["mien_queue_jobs"] == 0


def metrics(running) -> dict[str, float]:
    lines = running.http.get("/metrics").text.splitlines()
    parts = ("mien_redis", "mien_queue", "mien_takes")
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith(parts)}
