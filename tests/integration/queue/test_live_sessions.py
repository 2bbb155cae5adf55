"""The list of live analyses that wait for a worker."""

from __future__ import annotations

from service.queue import keys
from service.queue.connection import connect
from service.queue.live_sessions import LiveSessionQueue


def test_a_session_with_options_of_a_newer_release_waits_for_a_worker_that_knows_them(redis_url: str):
    with connect(redis_url, text=False) as redis:
        offered = b'{"id":"a","options":{"colour":"red"}}'
        redis.rpush(keys.SESSIONS, offered)
        queue = LiveSessionQueue(redis, redis)

        assert queue.claim(0.01) == "newer"

        assert redis.lrange(keys.SESSIONS, 0, -1) == [offered]  # as the gateway knows it, which may withdraw it
