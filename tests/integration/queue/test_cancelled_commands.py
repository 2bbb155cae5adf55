"""A task that is cancelled during a command to Redis: the command ends, and no other task gets its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio

from service.queue.connection import connect_async

Client = redis.asyncio.Redis
SLOW = "local t; repeat t = redis.call('TIME') until t[1] * 1e6 + t[2] >= tonumber(ARGV[1]); "
SLOW += "return redis.call('INCR', 'mien:test')"


async def _until(client: Client) -> int:
    seconds, micros = await client.time()
    return seconds * 1_000_000 + micros + 100_000


async def _command(client: Client, until: int) -> None:
    await client.eval(SLOW, 0, str(until))


async def _script(client: Client, until: int) -> None:
    await client.register_script(SLOW)(args=[until])


async def _pipeline(client: Client, until: int) -> None:
    async with client.pipeline(transaction=False) as pipe:
        pipe.eval(SLOW, 0, str(until))
        pipe.echo("leftover")
        await pipe.execute()


@pytest.mark.parametrize("work", [_command, _script, _pipeline])
def test_a_cancelled_command_ends_and_no_other_gets_its_reply(
    redis_url: str, work: Callable[[Client, int], Awaitable[None]]
):
    async def run() -> None:
        client = connect_async(redis_url)
        await client.delete("mien:test")
        before = await client.client_id()
        task = asyncio.ensure_future(work(client, await _until(client)))
        await asyncio.sleep(0.03)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        replies = await asyncio.gather(*(client.echo(str(number)) for number in range(20)))
        await asyncio.sleep(0.1)

        assert replies == [str(number) for number in range(20)]
        assert await client.get("mien:test") == "1"
        connected = {int(one["id"]) for one in await client.client_list()}
        assert before in connected  # the connection was neither given up nor left in mid-reply
        await client.aclose()

    asyncio.run(run())


def test_a_subscription_that_is_closed_while_it_connects_leaves_no_connection(redis_url: str):
    async def run() -> None:
        client = connect_async(redis_url)
        subscription = client.pubsub()
        task = asyncio.ensure_future(subscription.subscribe("mien:test"))
        await asyncio.sleep(0)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await subscription.aclose()
        await asyncio.sleep(0.1)

        assert await client.pubsub_numsub("mien:test") == [("mien:test", 0)]
        await client.aclose()

    asyncio.run(run())
