"""One gateway for all tests that do not change it, with an emptied Redis and store for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import redis

from service.queue import keys
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
    with _running(folder, redis_server, wait_s=0.5, upload_idle_s=HANG_S) as made:
        yield made


@pytest.fixture(scope="session")
def _hasty(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with _running(tmp_path_factory.mktemp("hasty"), redis_server, head_s=1, upload_idle_s=1) as made:
        yield made


@contextmanager
def _running(folder: Path, redis_server: str, **settings: object) -> Iterator[Gateway]:
    with (
        gateway(folder, redis_server, upload_max_bytes=5_000_000, sweep_every_s=3600, **settings) as (process, url),
        httpx2.Client(base_url=url) as http,
        connect(redis_server) as client,
    ):
        yield Gateway(url, process, folder, client, http)


def _emptied(made: Gateway) -> Gateway:
    for part in ("uploads", "results"):
        shutil.rmtree(made.folder / "blobs" / part, ignore_errors=True)
    return made


@pytest.fixture
def running(_gateway: Gateway, redis_url: str) -> Gateway:
    """Yield a gateway with a wait of half a second, uploads of at most 5 MB, and long limits for its clients."""
    return _emptied(_gateway)


@pytest.fixture
def hasty(_hasty: Gateway, redis_url: str) -> Gateway:
    """Yield a gateway that waits one second for a head, for the next bytes or message, and for clients that do not
    read."""
    return _emptied(_hasty)


@pytest.fixture(autouse=True)
def _workers_stay_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "WORKER_TTL_S", HANG_S)


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    """Yield both ends of the gateway's queue, emptied: the test acts as the worker."""
    made = Queue.at(redis_url)
    yield made
    made.close()
