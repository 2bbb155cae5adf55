"""Schemathesis against the OpenAPI description of a running service: whatever it sends, answers are as described."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.processes import HANG_S, Served

# What the service gives at /openapi.json; `make check` compares them.
DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = {
    found.ok().label: found.ok() for found in schemathesis.openapi.from_path(str(DESCRIPTION)).get_all_operations()
}


# Paths and headers are any text at all: only what has a query can be asked wrongly.
ASKED = [
    (label, mode) for label in OPERATIONS for mode in GenerationMode if mode.is_positive or OPERATIONS[label].query
]


@pytest.mark.parametrize(("label", "mode"), ASKED)
def test_every_answer_is_as_described(served: Served, label: str, mode: GenerationMode) -> None:
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def answers_as_described(case: schemathesis.Case) -> None:
        answer = case.call(base_url=served.url, timeout=HANG_S)
        if answer.status_code == 503:
            assert answer.headers["retry-after"][0].isdigit()
            return
        if answer.status_code == 501:  # uploads to a bucket, which this service does without
            assert label == "POST /uploads"
            return
        case.validate_response(
            answer,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_headers_conformance,
                response_schema_conformance,
            ],
        )

    answers_as_described()
