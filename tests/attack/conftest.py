"""The running service under attack: after each test it must be as it was before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.processes import HANG_S, Served, wait_for

# No implementation detail may be in an answer.
_INSIDES = re.compile(
    r"Traceback|\.py\b|/(tmp|work|home|root|usr|var|proc|etc)\b|pydantic|redis|obstore|uvicorn|starlette|fastapi|"
    r"onnx|opencv|cv2|ffmpeg|libav|pyav|numpy|errno|exception|\b0x[0-9a-f]+|<class",
    re.IGNORECASE,
)
_WHAT_TO_DO = re.compile(
    r"\b(sends?|convert|export|cut|compress|try|upload|record|scale|there (is|are)|should|must|takes|described|given|"
    r"choose)\b",
    re.IGNORECASE,
)


@pytest.fixture
def http(served: Served) -> Iterator[httpx2.Client]:
    """Yield a client of the running service; afterwards its worker must be the same process and its store must be empty
    of leftovers."""
    with httpx2.Client(base_url=served.url, timeout=HANG_S) as client:
        yield client
        wait_for(lambda: client.get("/readyz").json() == {"status": "ok", "queued": 0, "workers": 1})
    wait_for(lambda: not [blob for blob in served.blobs if blob.parent.name == "uploads"])
    assert not served.process.said("exited unexpectedly")
    assert not served.process.said("Traceback")


def check_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Check an error response: its status, code and form, and that its sentence says what to do and reveals nothing
    else."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert problem["status"] == status
    assert problem["type"] == f"urn:mien:problem:{code}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["title"]
    detail = problem["detail"]
    assert detail[0].isupper() or detail.split(":")[0].isidentifier()
    assert detail.endswith((".", ")")), detail
    assert 15 < len(detail) < 400
    assert _WHAT_TO_DO.search(detail), detail
    assert not _INSIDES.search(problem["title"] + detail), answer.text
    assert set(problem) <= {"type", "title", "status", "detail", "code", "request_id", "analysis_id"}
    return problem
