"""A queue in memory and a store in a folder: use cases without processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.storage.blobs import Blobs
from tests.contract.helpers import Queue


@pytest.fixture
def queue() -> Iterator[Queue]:
    made = Queue.in_memory()
    yield made
    made.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")
