from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.worker.sandbox import Sandbox
from tests.videos import face_video, faceless_video, long_video

SECRET = "MIEN_TEST_SECRET"


@pytest.fixture(scope="session")
def fork_server() -> None:
    """The fork server of all sandboxes in this process, started as the worker starts it."""
    os.environ[SECRET] = "hunter2"
    Sandbox(30).start()


@pytest.fixture(scope="session")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 1.6 s, 25 frames a second, with one face."""
    return face_video(tmp_path_factory.mktemp("videos") / "face.mp4")


@pytest.fixture(scope="session")
def long_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 12 s with one face."""
    return long_video(tmp_path_factory.mktemp("videos") / "long.mp4", seconds=12)


@pytest.fixture(scope="session")
def faceless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 0.4 s without a face."""
    return faceless_video(tmp_path_factory.mktemp("videos") / "faceless.mp4", seconds=0.4)
