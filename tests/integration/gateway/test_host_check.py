"""Host and Origin checks, CORS, and the security headers of responses."""

from __future__ import annotations

import httpx2
import pytest

from tests.processes import gateway

ELSEWHERE = {"Origin": "https://evil.example"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:8000", "[::1]", "[::1]:8000"])
def test_loopback_names_are_answered_to(running, host):
    assert running.http.get("/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "localhost.", "", "[::2]:8000", "::1"])
def test_other_names_are_refused(running, host):
    answer = running.http.get("/models", headers={"Host": host})

    assert (answer.status_code, answer.json()["code"]) == (421, "host_not_allowed")
    assert "MIEN_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_come_by_any_name(running, path):
    assert running.http.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        ELSEWHERE,
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_change_nothing(running, headers):
    for method, path in (("POST", "/analyze"), ("DELETE", "/analyses/a")):
        answer = running.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "own"}]
)
def test_programs_and_the_own_page_may(running, headers):
    if "Origin" in headers:
        headers = {"Origin": running.url}
    assert running.http.delete("/analyses/a", headers=headers).status_code == 404


def test_other_sites_may_read_nothing_either(running):
    answer = running.http.get("/models", headers=ELSEWHERE)

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/docs", "/models", "/nothing", "/page/main.js"])
def test_every_answer_carries_the_policy(running, path):
    headers = running.http.get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy  # so that it is 'self': neither inline nor from elsewhere
    assert headers["x-content-type-options"] == "nosniff"


def test_an_operator_allows_names_and_origins(redis_url, tmp_path):
    settings = {"allowed_hosts": '["mien.example"]', "cors_origins": '["https://lab.example"]'}
    friend = {"Origin": "https://lab.example", "Sec-Fetch-Site": "cross-site"}
    with gateway(tmp_path, redis_url, **settings) as (_, url), httpx2.Client(base_url=url) as http:
        http.headers["Host"] = "mien.example"
        assert http.get("/models").status_code == 200
        assert http.get("/models", headers={"Host": "localhost"}).status_code == 421
        asked = {**friend, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "prefer"}
        allowed = http.options("/analyze", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == "https://lab.example"
        answer = http.delete("/analyses/a", headers=friend)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, "https://lab.example")
        assert http.delete("/analyses/a", headers=ELSEWHERE).status_code == 403
