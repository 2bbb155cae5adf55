"""Stored results are read face by face, whatever the order of their fields."""

import asyncio
import json

import pytest

from mien.contract.results import Expression, Face, FacePicture, Findings, ModelInfo, Video, Window
from service.gateway.findings import StoredFindings

CALM = Expression(label="neutral", scores={"neutral": 0.75, "naïve": 0.25})
FOUND = Findings(
    video=Video(duration_s=2.5, fps=None, width=640, height=360, frames=1),
    models=[ModelInfo(name="m", version="1", sha256="0" * 64, trained=True, tasks=["expression"])],
    warnings=["It is dark."],
    faces=[
        Face(
            track=track, start_s=0, end_s=2.5, coverage=1.0, valence=-0.5, expression=CALM, personality={"openness": 1},
            timeline=[Window(start_s=0, end_s=1, valence=1e-7, quality=0)], path=[(0.0, 1, 2, 30, 40)],
            pictures=[FacePicture(time_s=1, jpeg="AAAA")],
        )
        for track in range(3)
    ],
)  # fmt: skip
TEXT = FOUND.model_dump_json(exclude_unset=True)


async def _faces(stored: StoredFindings) -> list[Face]:
    return [face async for face in stored.each_face()]


@pytest.mark.parametrize("order", [("video", "models", "warnings", "faces"), ("video", "faces", "models", "warnings")])
def test_what_was_stored_is_read(order):
    fields = json.loads(TEXT)
    stored = StoredFindings(json.dumps({name: fields[name] for name in order}).encode())

    assert (stored.video, stored.models, stored.warnings) == (FOUND.video, FOUND.models, FOUND.warnings)
    assert list(stored.faces()) == list(stored.faces()) == FOUND.faces
    assert asyncio.run(_faces(stored)) == FOUND.faces


def test_the_faces_are_stored_last_so_that_the_rest_is_at_hand():
    assert list(json.loads(TEXT))[-1] == "faces"
