"""The list of live analyses that wait for a worker."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ResponseError

from mien.contract.errors import QueueUnavailable, SessionLost
from mien.contract.options import LiveOptions
from service.queue import keys
from service.queue.connection import connect, connect_async
from service.queue.live_sessions import LiveSession, LiveSessionQueue, LiveSessions


def test_a_session_with_options_of_a_newer_release_waits_for_a_worker_that_knows_them(redis_url: str):
    with connect(redis_url, text=False) as redis:
        offered = b'{"id":"a","options":{"colour":"red"}}'
        redis.rpush(keys.SESSIONS, offered)
        queue = LiveSessionQueue(redis, redis)

        assert queue.claim(0.01) == "newer"

        assert redis.lrange(keys.SESSIONS, 0, -1) == [offered]  # as the gateway knows it, which may withdraw it


async def opened(redis_url: str) -> None:
    redis = connect_async(redis_url)
    try:
        async with LiveSessions(redis).open(LiveSession(id="a", options=LiveOptions())) as channel:
            await channel.end()
    finally:
        await redis.aclose()


def test_a_full_redis_is_named_as_the_reason(redis_url: str):
    with connect(redis_url) as redis:
        redis.config_set("maxmemory", 1)
        try:
            with pytest.raises(QueueUnavailable, match="its memory is full"):
                asyncio.run(opened(redis_url))
        finally:
            redis.config_set("maxmemory", 0)


def test_a_command_that_redis_refuses_for_good_is_a_defect_and_no_outage(redis_url: str):
    with connect(redis_url) as redis:
        redis.set(keys.SESSIONS, "no list")

        with pytest.raises(ResponseError, match="WRONGTYPE"):
            asyncio.run(opened(redis_url))


def test_a_session_that_no_worker_has_is_lost(redis_url: str):
    with pytest.raises(SessionLost):
        asyncio.run(opened(redis_url))
