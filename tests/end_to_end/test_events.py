"""The events of an analysis agree with its result."""

from __future__ import annotations

from tests.integration.gateway.watching import all_events

ASYNC = {"Prefer": "respond-async"}


def test_the_windows_in_the_events_are_those_of_the_result(http, face):
    job_id = http.post("/analyze", params={"hop_s": 0.2}, content=face.read_bytes(), headers=ASYNC).json()["id"]

    events = all_events(http, job_id)

    assert events[0].event == "began"
    assert (events[-1].event, events[-1].data["state"]) == ("ended", "succeeded")
    (one,) = http.get(f"/analyses/{job_id}").json()["faces"]
    told = [event.data for event in events if event.event == "window"]
    assert len(told) > 5
    assert all(len(window.pop("box")) == 4 for window in told)  # the answer has them in the face's path
    assert sorted(told, key=lambda window: (window["start_s"], window["end_s"])) == [
        {"track": one["track"], **window} for window in one["timeline"]
    ]
    progress = [event.data["done_s"] for event in events if event.event == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == 2.0


def test_a_video_that_fails_ends_with_its_problem(http, face):
    answer = http.post("/analyze", params={"start_s": 100}, content=face.read_bytes(), headers=ASYNC)

    end = all_events(http, answer.json()["id"])[-1]

    assert (end.data["state"], end.data["error"]["code"]) == ("failed", "no_frames")


def test_a_repeated_request_gets_the_same_answer_and_is_listed_once(http, face):
    headers = {"Idempotency-Key": "end-to-end"}
    first, again = (http.post("/analyze", content=face.read_bytes(), headers=headers) for _ in range(2))

    assert (first.status_code, again.json()) == (200, first.json())
    listed = http.get("/analyses", params={"state": "succeeded", "limit": 100}).json()["analyses"]
    assert [one["id"] for one in listed].count(first.json()["id"]) == 1
    http.delete(f"/analyses/{first.json()['id']}")
