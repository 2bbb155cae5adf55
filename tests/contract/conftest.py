"""An empty queue for each test, twice: in memory, and at the private server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.helpers import Queue


@pytest.fixture(params=["in memory", "at a server"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    made = Queue.in_memory() if request.param == "in memory" else Queue.at(request.getfixturevalue("redis_url"))
    yield made
    made.close()
