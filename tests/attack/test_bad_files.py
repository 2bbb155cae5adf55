"""Every kind of file that is no video is refused with its own error code, and leaves nothing behind."""

import pytest

from tests.attack.bad_files import BAD, tiny_face
from tests.attack.conftest import check_problem


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("form", [True, False])
def test_a_bad_file_gets_its_code_and_a_sentence(http, kind, form):
    make, status, expected = BAD[kind]
    content = make()
    if form:
        answer = http.post("/analyze", files={"video": ("holiday.mp4", content, "video/mp4")})
    else:
        answer = http.post("/analyze", content=content, headers={"Content-Type": "video/mp4"})
    code = answer.json().get("code") if isinstance(expected, set) else expected
    assert not isinstance(expected, set) or code in expected
    problem = check_problem(answer, status, code)
    assert "holiday" not in answer.text
    if "analysis_id" in problem:
        kept = http.get(f"/analyses/{problem['analysis_id']}")
        assert (kept.status_code, kept.json()["state"]) == (200, "failed")
        assert kept.json()["error"]["code"] == problem["code"]
        assert kept.json()["error"]["detail"] == problem["detail"]


def test_after_all_that_a_good_one_is_still_analysed(http):
    for kind in ("mp4 without its index", "matroska mark and noise"):
        http.post("/analyze", content=BAD[kind][0]())
    assert http.post("/analyze", content=tiny_face()).status_code == 200
