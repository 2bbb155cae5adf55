from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.worker.sandbox import Sandbox
from tests.videos import face_video, faceless_video

SECRET = "MIEN_TEST_SECRET"


@contextmanager
def cleared_environment() -> Iterator[None]:
    """Leave nothing in the environment for a while, as the worker does for good before it starts its sandbox."""
    before = dict(os.environ)
    os.environ.clear()
    try:
        yield
    finally:
        os.environ.update(before)


@pytest.fixture(scope="session")
def fork_server() -> None:
    """The fork server of all sandboxes in this process, started as the worker starts it."""
    os.environ[SECRET] = "hunter2"
    with cleared_environment():
        Sandbox(30).start()


@pytest.fixture(scope="session")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 1.6 s, 25 frames a second, with one face."""
    return face_video(tmp_path_factory.mktemp("videos") / "face.mp4")


@pytest.fixture(scope="session")
def long_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 12 s with one face."""
    return face_video(tmp_path_factory.mktemp("videos") / "long.mp4", seconds=12)


@pytest.fixture(scope="session")
def faceless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 0.4 s without a face."""
    return faceless_video(tmp_path_factory.mktemp("videos") / "faceless.mp4", seconds=0.4)
