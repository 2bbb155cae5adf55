"""Keys that are looked up while their requests are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest
from fakeredis import FakeAsyncRedis

from mien.contract.errors import KeyRefused
from service.gateway.usecases.keys_in_use import KeysInUse
from service.queue import keys
from service.queue.key_ring import ValidKeys


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(test)


def test_only_the_block_of_the_revoked_key_is_ended():
    async def test() -> None:
        redis = FakeAsyncRedis(decode_responses=True)
        await redis.hset(keys.API_KEYS, mapping={"a": "{}", "b": "{}"})
        in_use = KeysInUse(ValidKeys(redis))

        async def wait(key_id: str) -> None:
            async with in_use.use(key_id)():
                await asyncio.Event().wait()

        ann, ann_again, bob = (asyncio.create_task(wait(key_id)) for key_id in "aab")
        await asyncio.sleep(0)
        await in_use.look()
        assert not any(task.done() for task in (ann, ann_again, bob))

        await redis.hdel(keys.API_KEYS, "a")
        await in_use.look()

        for task in (ann, ann_again):
            with pytest.raises(KeyRefused):
                await task
        assert not bob.done()
        bob.cancel()

    run(test())


def test_a_stream_that_was_not_waiting_when_its_key_was_revoked_ends_at_its_next_event():
    async def test() -> None:
        redis = FakeAsyncRedis(decode_responses=True)
        await redis.hset(keys.API_KEYS, "a", "{}")
        in_use = KeysInUse(ValidKeys(redis))
        next_event = in_use.use("a")
        async with next_event():
            pass
        await redis.hdel(keys.API_KEYS, "a")
        await in_use.look()

        with pytest.raises(KeyRefused):
            async with next_event():
                pytest.fail("the key is revoked")
        async with in_use.use("a")():  # another request, which found it valid again: a backup was restored
            pass

    run(test())


def test_a_timeout_of_the_block_itself_is_not_taken_for_a_revoked_key():
    async def test() -> None:
        in_use = KeysInUse(ValidKeys(FakeAsyncRedis(decode_responses=True)))
        with pytest.raises(TimeoutError):
            async with in_use.use("a")():
                raise TimeoutError

    run(test())


def test_keys_that_are_not_used_any_more_are_not_looked_up():
    async def test() -> None:
        redis = FakeAsyncRedis(decode_responses=True)
        await redis.hset(keys.API_KEYS, "a", "{}")
        in_use = KeysInUse(ValidKeys(redis))
        request = in_use.use("a")
        async with request():
            pass
        await in_use.look()
        await redis.flushall()

        await in_use.look()

        async with request():
            pass

    run(test())
