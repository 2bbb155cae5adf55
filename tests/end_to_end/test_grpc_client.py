"""A gRPC client that knows the service by reflection only, in a process of its own."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import av
import cv2
import pytest

from tests.processes import HANG_S, Served

CLIENT = Path(__file__).with_name("reflected_client.py")
GIGABYTE = 1 << 30


@pytest.fixture
def large(face: Path, tmp_path: Path) -> Path:
    """The video, and after it a gigabyte that players skip (ISO 14496-12's box `free`, with a 64-bit size)."""
    path = tmp_path / "large.mp4"
    content = face.read_bytes()
    with path.open("wb") as file:
        file.write(content + struct.pack(">I4sQ", 1, b"free", GIGABYTE - len(content)))
        file.truncate(GIGABYTE)
    return path


@pytest.fixture
def frames(face: Path, tmp_path: Path) -> Path:
    """Every second frame of the video, as JPEG pictures."""
    folder = tmp_path / "frames"
    folder.mkdir()
    with av.open(str(face)) as video:
        for number, frame in enumerate(video.decode(video=0)):
            if number % 2 == 0:
                cv2.imwrite(str(folder / f"{number:04}.jpg"), frame.to_ndarray(format="bgr24"))
    return folder


def test_reflection_and_default_limits_are_enough_for_all_methods_and_a_gigabyte(
    served: Served, large: Path, frames: Path
):
    port = re.search(r"gRPC +127\.0\.0\.1:(\d+)", served.process.log.read_text())[1]

    done = subprocess.run(
        [sys.executable, "-I", CLIENT, f"127.0.0.1:{port}", large, frames],
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["methods"] == [
        "Analyze", "AnalyzeLive", "CancelAnalysis", "GetAnalysis", "ListAnalyses", "WatchAnalysis",
    ]  # fmt: skip
    assert seen["windows"] > 2
    assert len(seen["live"]) > 2
    assert all({"expression", "valence", "arousal"} <= set(scores) for scores in seen["live"])
    assert (seen["faces"], seen["ended"], seen["read"]) == ([0], "STATE_SUCCEEDED", "STATE_SUCCEEDED")
    assert seen["watched"][0] == "began"
    assert seen["watched"].count("window") == seen["windows"]
    assert seen["watched"][-1] == "ended"
    assert seen["id"] in seen["listed"]
    assert seen["after"] == "NOT_FOUND"
