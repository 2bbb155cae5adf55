from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import write_bundle
from tests.contract.helpers import Queue
from tests.integration.worker.helpers import Site
from tests.videos import face_video, long_video


@pytest.fixture(scope="session")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 1.6 s with one face."""
    return face_video(tmp_path_factory.mktemp("videos") / "face.mp4")


@pytest.fixture(scope="session")
def long_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of a minute with one face: seconds of work, so that something can happen meanwhile."""
    return long_video(tmp_path_factory.mktemp("videos") / "long.mp4", seconds=60)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that is opened and run very fast."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def site(redis_url: str, tmp_path: Path, bundle: Path) -> Iterator[Site]:
    queue = Queue.at(redis_url)
    yield Site(queue, tmp_path, bundle)
    queue.close()


@pytest.fixture
def job(site: Site) -> str:
    """The id of a queued job whose video is arbitrary bytes."""
    video = site.folder / "video"
    video.write_bytes(b"any bytes")
    site.submit("a", video)
    return "a"
