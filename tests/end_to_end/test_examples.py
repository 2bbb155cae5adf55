"""The recorded examples in the OpenAPI file and the proto are a service's responses, except for values that vary."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import recorded
from tests.processes import Served, grpc_address
from tests.videos import face_video

DIFFERS = {
    "id", "eventId", "created_at", "createdAt", "expires_at", "expiresAt", "request_id", "timings_ms", "timings",
    "analysis_id", "queued", "next", "nextPageToken", "workers", "droppedFrames", "progress",
}  # fmt: skip

NUMBER = re.compile(r"-?\d+(\.\d+)?")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_video(tmp_path_factory.mktemp("videos") / "face.mp4", seconds=recorded.SECONDS)


def test_rest(served: Served, video: Path):
    kept, now = (_without(found) for found in (recorded.kept(), recorded.rest(served.url, video)))
    for path, read in (("events", _names), ("timeline.csv", _table)):
        operation = f"GET /analyses/{{analysis_id}}/{path}"
        for found in (kept, now):
            found[operation]["200"] = read(found[operation]["200"])
    assert now == _near(kept)


def test_grpc(served: Served, video: Path):
    kept = recorded.examples_in(recorded.PROTO.read_text("utf-8"))
    assert _without(recorded.rpc(grpc_address(served.process), video)) == _near(_without(kept))


def _without(value: Any) -> Any:
    """Leave out what differs each time; a worker may have begun already, or not yet."""
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if key not in DIFFERS}
    if isinstance(value, list):
        return [_without(inner) for inner in value]
    return {"running": "queued", "STATE_RUNNING": "STATE_QUEUED"}.get(value, value) if isinstance(value, str) else value


def _near(value: Any) -> Any:
    """Let numbers be nearly equal: processors round differently."""
    if isinstance(value, dict):
        return {key: _box_near(inner) if key == "box" else _near(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_near(inner) for inner in value]
    return pytest.approx(value, abs=0.02) if isinstance(value, float) else value


def _names(events: str) -> list[str]:
    """Name the events, without progress: how often that is told depends on how fast it goes."""
    names = re.findall("^event: (.*)$", events, re.MULTILINE)
    return [name for name in names if name != "progress"]


def _table(text: str) -> list[list[str | float]]:
    return [[float(cell) if NUMBER.fullmatch(cell) else cell for cell in row] for row in csv.reader(text.splitlines())]


def _box_near(box: dict[str, float]) -> dict[str, Any]:
    """Let a live face's box be an eighth of the face aside: a busy machine drops frames, and the box is of another."""
    return {key: pytest.approx(value, abs=box["width"] / 8) for key, value in box.items()}
