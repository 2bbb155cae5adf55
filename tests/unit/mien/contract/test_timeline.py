from __future__ import annotations

from datetime import UTC, datetime

from mien.contract.jobs import State
from mien.contract.results import Analysis, Expression, Face, Progress, Window
from mien.contract.timeline import timeline_rows


def _analysis(**more) -> Analysis:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    progress = Progress(done_s=0, total_s=None)
    return Analysis(id="a", state=State.SUCCEEDED, created_at=now, progress=progress, warnings=[], **more)


def _face(track: int, *timeline: Window) -> Face:
    return Face(track=track, start_s=0, end_s=1, coverage=1, timeline=list(timeline), path=[])


def test_each_window_of_each_face_is_a_row():
    calm = Expression(label="calm", scores={"calm": 0.75, "glad": 0.25})
    scored = Window(start_s=0, end_s=1, expression=calm, valence=0.5, arousal=-0.5, quality=0.875)
    first = _face(0, scored, Window(start_s=1, end_s=2))
    second = _face(1, Window(start_s=0.5, end_s=1.5, dominance=0.0))

    assert timeline_rows(_analysis(faces=[first, second])) == [
        {
            "track": 0, "start_s": 0, "end_s": 1,
            "expression": "calm", "calm": 0.75, "glad": 0.25, "valence": 0.5, "arousal": -0.5,
            "quality": 0.875,
        },
        {"track": 0, "start_s": 1, "end_s": 2},
        {"track": 1, "start_s": 0.5, "end_s": 1.5, "dominance": 0.0},
    ]  # fmt: skip


def test_an_analysis_without_faces_or_without_an_end_has_no_rows():
    assert timeline_rows(_analysis(faces=[])) == []
    assert timeline_rows(_analysis()) == []
