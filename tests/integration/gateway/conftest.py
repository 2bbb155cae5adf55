"""One gateway for the tests that leave it as they find it, on an emptied Redis and store for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import redis

from service.queue.connection import connect
from tests.contract.helpers import Queue
from tests.processes import HANG_S, Process, gateway


@dataclass
class Gateway:
    """A running gateway without a worker; its store is `folder/blobs`."""

    url: str
    process: Process
    folder: Path
    redis: redis.Redis
    http: httpx2.Client


@pytest.fixture(scope="session")
def _gateway(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    settings = {"wait_s": 3, "upload_max_bytes": 5_000_000, "upload_idle_s": 1, "sweep_every_s": 3600}
    with (
        gateway(folder, redis_server, **settings) as (process, url),
        httpx2.Client(base_url=url, timeout=HANG_S) as http,
        connect(redis_server) as client,
    ):
        yield Gateway(url, process, folder, client, http)


@pytest.fixture
def running(_gateway: Gateway, redis_url: str) -> Gateway:
    """A gateway with a wait of 3 s, 5 MB of upload at most, 1 s of standing still."""
    for part in ("uploads", "results"):
        shutil.rmtree(_gateway.folder / "blobs" / part, ignore_errors=True)
    return _gateway


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    """Both ends of the gateway's queue, emptied: the test plays the worker."""
    made = Queue.at(redis_url)
    yield made
    made.close()
