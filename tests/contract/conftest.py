"""An empty queue for each test, twice: in memory, and at the private server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.queue import keys
from tests.contract.helpers import Queue
from tests.processes import HANG_S


@pytest.fixture(autouse=True)
def _workers_stay_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "WORKER_TTL_S", HANG_S)


@pytest.fixture(params=["in memory", "at a server"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    made = Queue.in_memory() if request.param == "in memory" else Queue.at(request.getfixturevalue("redis_url"))
    yield made
    made.close()
