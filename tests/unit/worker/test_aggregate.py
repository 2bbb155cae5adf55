from __future__ import annotations

import numpy as np
import pytest

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask
from service.vision.clips import Clip, FaceSeen
from service.worker.aggregate import FaceScores

EXPRESSION = ExpressionTask(labels=("calm", "glad", "sad"))
SIGNED = DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal")))
PERSONALITY = PersonalityTask(traits=("openness", "neuroticism"))
NO_PIXELS = np.zeros((1, 1, 1, 3), np.uint8)
BOX = (1.6, 2.4, 30.0, 31.0)


def clip(start_s: float, end_s: float, frames: int, quality: float = 1.0) -> Clip:
    return Clip(
        track=2, spec=0, start_s=start_s, end_s=end_s, frames=frames, quality=quality, box=BOX, pixels=NO_PIXELS
    )


def outputs(**values: list[float]) -> dict[str, np.ndarray]:
    return {kind: np.array(row, np.float32) for kind, row in values.items()}


def seen(*, samples: int = 8, path=((0.0, 1.0, 2.0, 3.0, 4.0),)) -> FaceSeen:
    return FaceSeen(track=2, start_s=0.12345, end_s=1.98765, samples=samples, path=list(path))


def test_the_verdict_is_the_mean_of_the_windows_weighted_by_their_real_frames():
    tasks = [EXPRESSION, SIGNED, PERSONALITY]
    rng = np.random.default_rng(1)
    frames = [16, 16, 5]
    rows = [
        {
            "expression": rng.dirichlet([1, 1, 1]).astype(np.float32),
            "dimensions": rng.uniform(-1, 1, 2).astype(np.float32),
            "personality": rng.uniform(0, 1, 2).astype(np.float32),
        }
        for _ in frames
    ]
    face = FaceScores()
    for index, (count, row) in enumerate(zip(frames, rows, strict=True)):
        face.add(tasks, clip(index, index + 1, count), row)

    verdict = face.verdict(tasks, seen(), samples=10)

    def mean(kind: str, column: int) -> float:
        return (16 * rows[0][kind][column] + 16 * rows[1][kind][column] + 5 * rows[2][kind][column]) / (16 + 16 + 5)

    assert verdict.expression.scores == pytest.approx(
        {"calm": mean("expression", 0), "glad": mean("expression", 1), "sad": mean("expression", 2)}, abs=6e-5
    )
    assert verdict.expression.label == max(verdict.expression.scores, key=verdict.expression.scores.get)
    assert verdict.valence == pytest.approx(mean("dimensions", 0), abs=6e-5)
    assert verdict.arousal == pytest.approx(mean("dimensions", 1), abs=6e-5)
    assert verdict.personality == pytest.approx(
        {"openness": mean("personality", 0), "neuroticism": mean("personality", 1)}, abs=6e-5
    )


def test_personality_is_in_the_verdict_and_not_in_the_timeline():
    face = FaceScores()
    window = face.add([PERSONALITY], clip(0, 1, 16), outputs(personality=[0.5, 0.25]))

    verdict = face.verdict([PERSONALITY], seen(), samples=8)

    assert verdict.personality == {"openness": 0.5, "neuroticism": 0.25}
    assert window.model_dump(exclude_unset=True) == {
        "track": 2,
        "start_s": 0,
        "end_s": 1,
        "quality": 1,
        "box": (2, 2, 30, 31),
    }
    assert verdict.timeline[0].model_dump(exclude_unset=True) == {"start_s": 0, "end_s": 1, "quality": 1}


def test_a_window_has_the_quality_of_its_clip_and_the_verdict_does_not_depend_on_it():
    verdicts = []
    for qualities in ((1.0, 0.123456), (1.0, 1.0)):
        face = FaceScores()
        for index, quality in enumerate(qualities):
            face.add([SIGNED], clip(index, index + 1, 16, quality), outputs(dimensions=[index, -0.5]))
        verdicts.append(face.verdict([SIGNED], seen(), samples=8))

    assert [window.quality for window in verdicts[0].timeline] == [1.0, 0.1235]
    assert verdicts[0].valence == verdicts[1].valence == 0.5
    assert "quality" not in type(verdicts[0]).model_fields


def test_tasks_that_were_not_asked_for_are_unset_in_the_verdict():
    face = FaceScores()
    face.add([SIGNED], clip(0, 1, 16), outputs(dimensions=[0.5, -0.5]))

    verdict = face.verdict([EXPRESSION, SIGNED], seen(), samples=8)

    assert set(verdict.model_dump(exclude_unset=True)) == {
        "track", "start_s", "end_s", "coverage", "valence", "arousal", "timeline", "path",
    }  # fmt: skip


def test_models_with_windows_of_their_own_are_averaged_apart():
    face = FaceScores()
    face.add([EXPRESSION, SIGNED], clip(0, 1, 16), outputs(expression=[1, 0, 0]))
    face.add([EXPRESSION, SIGNED], clip(0, 2, 8), outputs(dimensions=[0.5, -0.5]))

    verdict = face.verdict([EXPRESSION, SIGNED], seen(), samples=8)

    assert verdict.expression.scores["calm"] == 1.0
    assert (verdict.valence, verdict.arousal) == (0.5, -0.5)


def test_the_timeline_is_in_the_order_of_time_however_the_windows_came():
    face = FaceScores()
    for start_s, end_s in [(1, 2), (0, 3), (0, 1)]:
        face.add([EXPRESSION], clip(start_s, end_s, 16), outputs(expression=[1, 0, 0]))

    verdict = face.verdict([EXPRESSION], seen(), samples=8)

    assert [(window.start_s, window.end_s) for window in verdict.timeline] == [(0, 1), (0, 3), (1, 2)]


def test_a_face_is_described_in_milliseconds_and_whole_pixels():
    face = FaceScores()
    face.add([EXPRESSION], clip(0.12345, 0.98765, 16), outputs(expression=[1, 0, 0]))

    verdict = face.verdict([EXPRESSION], seen(samples=3, path=[(0.12345, 1.4, 2.6, 3.5, 4.49)]), samples=7)

    assert (verdict.track, verdict.start_s, verdict.end_s, verdict.coverage) == (2, 0.123, 1.988, 0.4286)
    assert verdict.path == [(0.123, 1, 3, 4, 4)]
    assert (verdict.timeline[0].start_s, verdict.timeline[0].end_s) == (0.123, 0.988)
    assert face.verdict([EXPRESSION], seen(samples=9), samples=8).coverage == 1.0
