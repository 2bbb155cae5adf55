"""HEAD gets what GET gets, without the body (RFC 9110, 9.3.2)."""

from __future__ import annotations

import pytest

from mien.contract.results import Face, Findings, Video, Window
from tests.contract.helpers import Queue, take

VARYING = {"x-request-id", "date"}


@pytest.mark.parametrize(
    "path",
    [
        "/healthz", "/readyz", "/models", "/metrics", "/analyses", "/analyses?limit=1", "/analyses/a",
        "/analyses/a/timeline.csv", "/", "/docs", "/openapi.json", "/page/main.js", "/page/limits.json",
        "/analyses/none", "/nowhere", "/analyses?limit=0",
    ],
)  # fmt: skip
def test_head_has_the_headers_of_get_and_no_body(running, queue: Queue, path: str):
    succeed(queue, running, "a")

    got, head = running.http.get(path), running.http.head(path)

    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers["content-length"] == str(len(got.content)) or path == "/metrics"  # which grows
    for name in set(got.headers) - VARYING - {"content-length"}:
        assert head.headers[name] == got.headers[name], name


def test_the_events_of_an_analysis_have_no_head(running, queue: Queue):
    queue.submit("a")

    answer = running.http.head("/analyses/a/events")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_head_is_counted_under_its_own_name(running):
    running.http.head("/analyses/none")

    counted = 'mien_gateway_requests_total{method="HEAD",route="/analyses/{analysis_id}",status="404"}'
    assert counted in running.http.get("/metrics").text


def succeed(queue: Queue, running, job_id: str) -> None:
    queue.submit(job_id)
    ann = queue.worker()
    attempt = take(ann)
    name = f"results/{job_id}.{attempt.fence}"
    timeline = [Window(start_s=0, end_s=1, valence=0.5, quality=0.5)]
    face = Face(track=0, start_s=0, end_s=1, coverage=1, timeline=timeline, path=[])
    video = Video(duration_s=1, fps=None, width=640, height=480, frames=9)
    (running.folder / "blobs/results").mkdir(parents=True, exist_ok=True)
    (running.folder / "blobs" / name).write_text(
        Findings(video=video, faces=[face], models=[], warnings=[]).model_dump_json(exclude_unset=True)
    )
    assert ann.commit_success(attempt, result=name, decode_ms=1, inference_ms=1)
