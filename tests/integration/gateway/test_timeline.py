"""The timeline as CSV of an analysis that has none: not yet, or never."""

from __future__ import annotations

import pytest

from mien.contract.errors import AttemptsExhausted, InvalidOption
from tests.contract.helpers import BROKEN_VIDEO, Queue, take

PLACES = [("/analyses/a/timeline.csv", {}), ("/analyses/a", {"Accept": "text/csv"})]


@pytest.mark.parametrize(("path", "headers"), PLACES)
def test_until_the_end_there_is_none_yet(running, queue: Queue, path, headers):
    queue.submit("a")
    for state in ("queued", "running"):
        answer = running.http.get(path, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (409, "not_ended")
        assert f"it is {state}" in answer.json()["detail"]
        if state == "queued":
            take(queue.worker())


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (BROKEN_VIDEO, 422),
        (InvalidOption("tasks: none here.").problem(), 400),
        (AttemptsExhausted("It was tried.").problem(), 500),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_a_failed_analysis_answers_with_what_it_failed_of(running, queue: Queue, problem, status):
    queue.submit("a")
    ann = queue.worker()
    assert ann.commit_failure(take(ann), problem)
    told = running.http.get("/analyses/a").json()["error"]

    for path, headers in PLACES:
        answer = running.http.get(path, headers=headers)

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert {**told, "analysis_id": "a", "status": status}.items() <= answer.json().items()
