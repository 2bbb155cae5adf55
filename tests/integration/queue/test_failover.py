"""A server's name moves to the new primary while the old one, now a replica, keeps its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.exceptions import ReadOnlyError

from service.queue.connection import connect, connect_async
from tests.processes import private_redis

INCREMENT = "return redis.call('INCR', KEYS[1])"


@pytest.fixture
def name(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The URL of a server, and what makes it a replica and moves the URL to another one."""
    with private_redis() as first, private_redis() as second:
        socket = tmp_path / "redis.sock"
        socket.symlink_to(first.removeprefix("unix://"))

        def fail_over() -> None:
            with connect(first) as demoted:
                demoted.replicaof("127.0.0.1", 1)
            socket.unlink()
            socket.symlink_to(second.removeprefix("unix://"))

        yield f"unix://{socket}", fail_over


def test_a_thread_client_moves_to_the_new_primary(name):
    url, fail_over = name
    with connect(url) as client:
        script = client.register_script(INCREMENT)
        assert [client.incr("a"), script(keys=["a"])] == [1, 2]
        fail_over()

        with pytest.raises(ReadOnlyError):
            client.incr("a")
        assert [client.incr("a"), script(keys=["a"])] == [1, 2]


def test_an_asyncio_client_moves_to_the_new_primary(name):
    url, fail_over = name

    async def run() -> None:
        client = connect_async(url)
        script = client.register_script(INCREMENT)
        await asyncio.gather(*(client.incr("a") for _ in range(5)))  # on several connections
        fail_over()

        refused = 0
        while True:
            try:
                answer = await script(keys=["a"])
            except ReadOnlyError:
                refused += 1
                assert refused <= 5
            else:
                break
        assert answer == 1
        async with client.pipeline() as pipe:
            assert await pipe.incr("a").incr("a").execute() == [2, 3]
        await client.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_moves_to_the_new_primary(name, transaction):
    url, fail_over = name
    with connect(url) as client:
        assert client.pipeline(transaction).incr("a").execute() == [1]
        fail_over()

        with pytest.raises(ReadOnlyError):
            client.pipeline(transaction).incr("a").execute()
        assert client.pipeline(transaction).incr("a").execute() == [1]
