"""The list of live analyses that wait for a worker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator

import pytest
from redis.exceptions import ResponseError

from mien.contract.errors import QueueUnavailable, SessionLost
from mien.contract.live_messages import Encoding, LiveFrame, LiveScored, LiveUpdate
from mien.contract.options import LiveOptions
from service.gateway.usecases import analyze_live
from service.gateway.usecases.analyze_live import AnalyzeLive
from service.gateway.usecases.authenticate import NO_OWNER
from service.queue import keys
from service.queue.connection import connect, connect_async
from service.queue.live_sessions import LiveSession, LiveSessionQueue, LiveSessions
from tests.processes import HANG_S


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


async def _fast() -> AsyncGenerator[LiveFrame]:
    for number in itertools.count():
        yield LiveFrame(number / 100, Encoding.JPEG, b"")
        await asyncio.sleep(0.01)


def analysed(redis_url: str, last: LiveUpdate | None) -> list[LiveScored]:
    """Run a live analysis whose frames come too fast and whose worker takes two, sends `last`, if any, and stops."""

    def work(queue: LiveSessionQueue) -> None:
        session = queue.claim(HANG_S)
        with queue.join(session) as channel:
            channel.send(LiveUpdate(credits=2))
            for _ in range(2):
                assert channel.receive(HANG_S)
            if last is not None:
                channel.send(last)

    async def run() -> list[LiveScored]:
        client = connect_async(redis_url)
        with connect(redis_url, text=False) as redis:
            working = asyncio.create_task(asyncio.to_thread(work, LiveSessionQueue(redis, redis)))
            try:
                return [found async for found in AnalyzeLive(LiveSessions(client), 1)(NO_OWNER, LiveOptions(), _fast())]
            finally:
                await working
                await client.aclose()

    return asyncio.run(run())


def test_a_worker_that_stops_without_a_word_is_noticed_although_no_frame_can_be_sent(redis_url: str, monkeypatch):
    monkeypatch.setattr(analyze_live, "_SILENT_S", HANG_S)

    with pytest.raises(SessionLost, match="stopped"):
        analysed(redis_url, None)


def test_what_a_worker_sent_before_it_stopped_counts(redis_url: str):
    assert analysed(redis_url, LiveUpdate(ended=True)) == []
