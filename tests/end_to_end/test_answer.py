"""Results of single videos from a running service."""

import time

import pytest

from tests.end_to_end.sense import UNTRAINED, check_answer
from tests.processes import wait_for


def uploads(served) -> list:
    return [blob for blob in served.blobs if blob.parent.name == "uploads"]


def results(served) -> list[str]:
    return [blob.name for blob in served.blobs if blob.parent.name == "results"]


def analyze(http, video, **options) -> dict:
    answer = http.post("/analyze", params=options, files={"video": video.open("rb")})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_face_is_read_from_a_form(http, face, manifest):
    analysis = check_answer(analyze(http, face), manifest)
    assert (analysis.video.width, analysis.video.height, analysis.video.frames) == (320, 240, 50)
    assert analysis.video.fps == pytest.approx(25, abs=0.1)
    assert analysis.video.duration_s == pytest.approx(2.0, abs=0.05)
    (one,) = analysis.faces
    assert one.track == 0
    assert one.coverage >= 0.95
    assert (one.start_s, one.end_s) == (pytest.approx(0, abs=0.1), pytest.approx(2.0, abs=0.1))
    # It moves right and grows.
    (_, x0, _, w0, _), (_, x1, _, w1, _) = one.path[0], one.path[-1]
    assert x1 + w1 / 2 > x0 + w0 / 2 + 10


def test_a_raw_body_gives_the_same_findings(http, face, manifest):
    # curl --data-binary claims to send a form.
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = http.post("/analyze", content=face.read_bytes(), headers=headers)
    assert answer.status_code == 200
    raw = check_answer(answer.json(), manifest)
    form = check_answer(analyze(http, face), manifest)
    assert raw.faces == form.faces
    assert raw.id != form.id


def test_an_asynchronous_analysis_is_read_at_its_location_and_waited_for(http, face, manifest):
    accepted = http.post("/analyze", content=face.read_bytes(), headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    answer = http.get(accepted.headers["location"], headers={"Prefer": "wait=30"})
    check_answer(answer.json(), manifest)
    assert answer.headers["cache-control"] == "no-store"


def test_a_video_without_a_face_is_a_success_that_says_so(http, faceless, manifest):
    analysis = check_answer(analyze(http, faceless), manifest)
    assert analysis.faces == []
    assert any("No face was found" in warning for warning in analysis.warnings)


def test_the_video_is_erased_when_its_job_ends_and_the_result_when_it_is_deleted(http, served, face):
    job_id = analyze(http, face)["id"]
    # The answer may be a moment ahead of the worker's hand.
    wait_for(lambda: not uploads(served))
    (result,) = [name for name in results(served) if name.startswith(job_id)]
    assert http.delete(f"/analyses/{job_id}").status_code == 204
    assert result not in results(served)
    assert http.get(f"/analyses/{job_id}").json()["code"] == "expired"


def test_only_as_many_faces_as_asked_for_are_followed(http, tmp_path):
    from tests.videos import scene, still, write_video

    video = write_video(
        tmp_path / "two.mp4", scene([still(0.27, 0.5, 0.5), still(0.75, 0.5, 0.4, other=True)], seconds=1.0)
    )
    assert len(analyze(http, video)["faces"]) == 2
    assert len(analyze(http, video, faces=1)["faces"]) == 1


def test_a_part_of_the_video_is_analysed_with_the_videos_own_times(http, face):
    answer = analyze(http, face, start_s=0.5, end_s=1.5)
    (one,) = answer["faces"]
    assert one["start_s"] == pytest.approx(0.5, abs=0.1)
    assert one["end_s"] == pytest.approx(1.5, abs=0.1)
    assert one["coverage"] >= 0.95
    assert all(0.4 <= point[0] <= 1.6 for point in one["path"])


def test_the_hop_sets_the_distance_of_windows(http, face):
    (coarse,) = analyze(http, face, hop_s=1.0)["faces"]
    (fine,) = analyze(http, face, hop_s=0.1)["faces"]
    assert len(fine["timeline"]) > 2 * len(coarse["timeline"])
    first, second = (window["start_s"] for window in fine["timeline"][:2])
    assert second - first == pytest.approx(0.1, abs=0.05)


def test_only_the_tasks_asked_for_are_answered(http, face):
    answer = analyze(http, face, tasks=["expression"])
    (one,) = answer["faces"]
    assert "expression" in one
    assert not {"valence", "arousal", "personality"} & set(one)
    (one,) = analyze(http, face, tasks=["dimensions", "personality"])["faces"]
    assert "expression" not in one
    assert {"valence", "arousal", "personality"} <= set(one)


def test_a_start_beyond_the_end_is_an_error(http, face):
    answer = http.post("/analyze", params={"start_s": 100}, content=face.read_bytes())
    assert (answer.status_code, answer.json()["code"]) == (422, "no_frames")
    failed = http.get(f"/analyses/{answer.json()['analysis_id']}")
    assert (failed.status_code, failed.json()["state"]) == (200, "failed")
    assert failed.json()["error"]["code"] == "no_frames"


def test_several_at_once_are_all_answered(http, face):
    content = face.read_bytes()
    locations = [
        http.post("/analyze", content=content, headers={"Prefer": "respond-async"}).headers["location"]
        for _ in range(6)
    ]
    answers = [http.get(location, headers={"Prefer": "wait=30"}).json() for location in locations]
    assert {answer["state"] for answer in answers} == {"succeeded"}
    assert all(answer["faces"] == answers[0]["faces"] for answer in answers)


def test_the_served_models_are_listed(http, manifest):
    told = http.get("/models").json()
    assert told["workers"] == 1
    (model,) = told["models"]
    assert model["name"] == manifest.name
    assert model["trained"] == manifest.training.trained
    assert model["window_s"] == pytest.approx(manifest.input.frames * manifest.input.interval_s, abs=0.001)


def test_an_untrained_model_is_never_passed_off_as_a_trained_one(http, face, manifest):
    warned = any(UNTRAINED in warning for warning in analyze(http, face)["warnings"])
    assert warned == (not manifest.training.trained)


def test_the_service_says_it_is_ready_once_all_is_done(http):
    def idle() -> bool:
        return http.get("/readyz").json() == {"status": "ok", "queued": 0, "workers": 1}

    time.sleep(0.1)
    wait_for(idle)
