"""Check what must hold in any result, whatever the model's scores are."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mien.contract.bundle import DimensionsTask, ExpressionTask, Manifest, PersonalityTask
from mien.contract.results import Analysis, Face, Scores

UNTRAINED = "not trained"


def check_answer(answer: dict, manifest: Manifest) -> Analysis:
    """Check a whole answer of a succeeded analysis of everything; return it parsed."""
    assert set(answer) == {
        "id", "state", "created_at", "expires_at", "progress", "video", "faces", "models", "warnings", "timings_ms",
    }  # fmt: skip
    analysis = Analysis.model_validate(answer)
    assert analysis.state == "succeeded"
    assert analysis.expires_at is not None
    assert analysis.expires_at > analysis.created_at
    assert analysis.video is not None
    assert analysis.progress.done_s == analysis.progress.total_s == analysis.video.duration_s
    assert any(UNTRAINED in warning for warning in analysis.warnings) == (not manifest.training.trained)
    (model,) = analysis.models or []
    assert (model.name, model.version) == (manifest.name, manifest.version)
    assert model.tasks == [task.kind for task in manifest.tasks]
    timings = analysis.timings_ms
    assert timings is not None
    assert 0 <= timings.queued <= timings.total
    assert 0 < timings.decode <= timings.total
    assert timings.inference >= 0
    for face in analysis.faces or []:
        check_face(face, analysis, manifest)
    return analysis


def check_face(face: Face, analysis: Analysis, manifest: Manifest) -> None:
    video = analysis.video
    assert video is not None
    assert 0 <= face.start_s < face.end_s <= video.duration_s + 0.01
    assert 0 < face.coverage <= 1
    # Windows in order, within the face's time, without a hole, from its start to its end.
    starts = [window.start_s for window in face.timeline]
    assert starts == sorted(starts)
    assert starts[0] == pytest.approx(face.start_s, abs=0.1)
    assert max(window.end_s for window in face.timeline) == pytest.approx(face.end_s, abs=0.1)
    for earlier, later in pairwise(face.timeline):
        assert later.start_s <= earlier.end_s + 0.1
    for window in face.timeline:
        assert window.start_s < window.end_s
        assert window.quality is not None
    for scores in [face, *face.timeline]:
        check_scores(scores, manifest)
    for task in manifest.tasks:
        if isinstance(task, PersonalityTask):
            assert face.personality is not None
            assert tuple(face.personality) == task.traits
    # The path: at 5 Hz or more, inside the picture.
    times = [time for time, *_ in face.path]
    assert all(0 < later - earlier <= 0.2 + 1e-6 for earlier, later in pairwise(times))
    assert times[0] == pytest.approx(face.start_s, abs=0.2)
    assert times[-1] == pytest.approx(face.end_s, abs=0.25)
    for _, x, y, width, height in face.path:
        assert x >= 0
        assert y >= 0
        assert width > 0
        assert height > 0
        assert x + width <= video.width
        assert y + height <= video.height


def check_scores(scores: Scores, manifest: Manifest) -> None:
    for task in manifest.tasks:
        if isinstance(task, ExpressionTask):
            assert scores.expression is not None
            assert tuple(scores.expression.scores) == task.labels
            assert sum(scores.expression.scores.values()) == pytest.approx(1, abs=0.01)
            assert scores.expression.scores[scores.expression.label] == max(scores.expression.scores.values())
        elif isinstance(task, DimensionsTask):
            for dimension in task.dimensions:
                assert -1 <= getattr(scores, dimension.name) <= 1
