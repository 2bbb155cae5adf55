"""A queue for each test, empty at first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.queue.helpers import Queue


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    made = Queue(redis_url)
    yield made
    made.close()
