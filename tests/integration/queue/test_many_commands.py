"""More commands at a time than there are connections take turns, and subscriptions do not use these up."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack

from service.queue.connection import connect, connect_async
from tests.processes import HANG_S, private_redis

MANY = 300


def test_commands_of_many_requests_take_turns():
    async def ask(url: str) -> tuple[list[bytes], int]:
        redis = connect_async(url)
        try:
            async with asyncio.timeout(HANG_S):
                found = await asyncio.gather(*(redis.get("nothing") for _ in range(MANY)))
                return found, len(await redis.client_list())
        finally:
            await redis.aclose()

    with private_redis() as url:
        found, connections = asyncio.run(ask(url))

    assert found == [None] * MANY
    assert connections < 100


def test_many_subscriptions_leave_connections_to_commands():
    async def ask(url: str) -> tuple[bool, int]:
        redis = connect_async(url)
        try:
            async with asyncio.timeout(HANG_S), AsyncExitStack() as stack:
                for number in range(MANY):
                    channel = await stack.enter_async_context(redis.pubsub())
                    await channel.subscribe(f"channel-{number}")
                answer = await redis.ping()
            await redis.aclose()
            with connect(url) as other:
                return answer, len(other.client_list())
        finally:
            await redis.aclose()

    with private_redis() as url:
        assert asyncio.run(ask(url)) == (True, 1)


def test_as_many_threads_as_a_worker_may_have_find_a_connection_each():
    ready, failed = threading.Barrier(MANY), []

    def ask() -> None:
        ready.wait(HANG_S)
        try:
            client.blpop(["nothing"], timeout=0.5)
        except Exception as error:
            failed.append(error)

    with private_redis() as url, connect(url) as client:
        threads = [threading.Thread(target=ask) for _ in range(MANY)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert not failed
