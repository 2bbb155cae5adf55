from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from mien.contract.errors import CannotDecode
from mien.contract.jobs import State
from mien.contract.results import Analysis, Expression, Face, Findings, Progress, Video, Window


def _as_json(part) -> dict:
    return json.loads(part.model_dump_json(exclude_unset=True))


def _queued(**more) -> Analysis:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    progress = Progress(done_s=0, total_s=None)
    return Analysis(id="a", state=State.QUEUED, created_at=now, progress=progress, warnings=[], **more)


def test_what_does_not_apply_is_absent():
    assert set(_as_json(_queued())) == {"id", "state", "created_at", "progress", "warnings"}


def test_an_unknown_total_is_there_as_null():
    assert _as_json(_queued())["progress"] == {"done_s": 0, "total_s": None}


def test_a_failed_analysis_carries_its_problem():
    problem = CannotDecode("It is text.").problem()

    assert _as_json(_queued(error=problem))["error"] == {
        "code": "cannot_decode",
        "title": "The video cannot be decoded",
        "detail": "It is text.",
    }


def test_scores_of_tasks_that_are_not_served_are_absent():
    window = Window(start_s=0, end_s=1, valence=0.0)

    assert _as_json(window) == {"start_s": 0, "end_s": 1, "valence": 0}


def test_the_quality_of_a_window_that_an_older_worker_wrote_is_absent():
    window = Window.model_validate_json('{"start_s": 0, "end_s": 1}')

    assert window.quality is None
    assert "quality" not in _as_json(window)


def test_findings_come_back_from_json_with_the_same_fields_set():
    face = Face(
        track=0, start_s=0, end_s=1, coverage=1, arousal=-1, timeline=[Window(start_s=0, end_s=1, arousal=-1)],
        path=[(0.0, 1, 2, 3, 4)],
    )  # fmt: skip
    video = Video(duration_s=1, fps=None, width=4, height=4, frames=1)
    text = Findings(video=video, faces=[face], models=[], warnings=[]).model_dump_json(exclude_unset=True)

    again = Findings.model_validate_json(text)

    assert again.model_dump_json(exclude_unset=True) == text
    assert "valence" not in text
    assert json.loads(text)["video"]["fps"] is None
    assert json.loads(text)["faces"][0]["path"] == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    "fields",
    [
        {"valence": 1.01},
        {"arousal": -1.01},
        {"valence": float("nan")},
        {"expression": {"label": "calm", "scores": {"calm": 1.2}}},
        {"start_s": -1},
        {"quality": 1.01},
    ],
)
def test_numbers_out_of_their_range_are_refused(fields):
    with pytest.raises(ValidationError):
        Window.model_validate({"start_s": 0, "end_s": 1, **fields})


def test_what_a_face_shows_is_not_in_the_text_of_an_error():
    with pytest.raises(ValidationError) as refused:
        Expression.model_validate({"label": {"secret": 1}, "scores": {"sadness": 77.25}})

    assert "77.25" not in str(refused.value)
    assert "secret" not in str(refused.value)
