"""The videos and the client that these tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from mien.contract.bundle import Manifest, read_bundle
from service.worker.settings import DEFAULT_BUNDLE
from tests.processes import HANG_S, Served
from tests.videos import face_video, faceless_video


@pytest.fixture(scope="session")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a face at 25 frames a second."""
    return face_video(tmp_path_factory.mktemp("videos") / "face.mp4", seconds=2.0)


@pytest.fixture(scope="session")
def faceless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a gradient."""
    return faceless_video(tmp_path_factory.mktemp("videos") / "faceless.mp4", seconds=1.0)


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """The manifest of the bundle that is served."""
    return read_bundle(DEFAULT_BUNDLE)[0]


@pytest.fixture
def http(served: Served) -> Iterator[httpx2.Client]:
    """A client of the running service."""
    with httpx2.Client(base_url=served.url, timeout=HANG_S) as client:
        yield client
