"""Fixtures of the stores' tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from service.storage.blobs import Blobs


async def _copy(blobs: Blobs, name: str) -> bool:
    await blobs.copy(name, "uploads/copy")
    return True


@pytest.fixture(
    params=[
        Blobs.read,
        Blobs.stream,
        lambda blobs, name: blobs.head(name, 1),
        lambda blobs, name: blobs.read_range(name, 0, 1),
        Blobs.sha256,
        _copy,
    ],
    ids=["read", "stream", "head", "range", "sha256", "copy"],
)
def reading(request: pytest.FixtureRequest) -> Callable[[Blobs, str], Awaitable[object]]:
    """Return a way to read a blob."""
    return request.param
