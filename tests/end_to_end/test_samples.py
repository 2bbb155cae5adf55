"""Real videos of real faces, where the folder with them is there."""

import httpx2
import pytest

from tests.end_to_end.sense import check_answer
from tests.videos import shared_video


@pytest.fixture
def analyzed(http: httpx2.Client, manifest):
    def analyze(name: str):
        answer = http.post("/analyze", files={"video": shared_video(name).open("rb")})
        assert answer.status_code == 200, answer.text
        return check_answer(answer.json(), manifest)

    return analyze


def test_a_single_face_is_followed_from_end_to_end(analyzed):
    analysis = analyzed("single_face.mp4")
    (face,) = analysis.faces
    assert face.coverage >= 0.95
    assert face.timeline[0].start_s == pytest.approx(0, abs=0.1)
    assert max(window.end_s for window in face.timeline) == pytest.approx(2.4, abs=0.1)
    assert (analysis.video.width, analysis.video.height) == (640, 360)


def test_a_face_that_comes_late_covers_a_part_only(analyzed):
    (face,) = analyzed("noface_face.mov").faces
    assert 2.5 <= face.start_s <= 4.5
    assert 0.3 <= face.coverage <= 0.5


def test_a_video_without_a_face_is_a_success(analyzed):
    analysis = analyzed("no_face.mp4")
    assert analysis.faces == []
    assert any("No face" in warning for warning in analysis.warnings)


def test_a_talking_head_is_one_person_throughout(analyzed):
    (face,) = analyzed("talking_head.mp4").faces
    assert face.start_s <= 0.2
    assert face.end_s >= 18.8
    assert face.coverage >= 0.9
