"""The description in docs/openapi.json, which `make check` compares with the app's, is clean for tools and readers."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from openapi_spec_validator import validate

from service.gateway.error_mapping import MEDIA_TYPE

DESCRIPTION = json.loads((Path(__file__).parents[3] / "docs" / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}
SCHEMAS = DESCRIPTION["components"]["schemas"]


def test_it_is_valid():
    validate(DESCRIPTION)
    assert "itemSchema" not in json.dumps(DESCRIPTION)


def test_operations_are_named_once_tagged_and_summed_up():
    tags = {tag["name"] for tag in DESCRIPTION["tags"]}
    for name, operation in OPERATIONS.items():
        assert re.fullmatch(r"[a-z]+_[a-z]+", operation["operationId"]), name
        assert set(operation["tags"]) <= tags, name
        assert operation["tags"], name
        assert operation["summary"], name
        assert operation["description"], name
    assert set(Counter(operation["operationId"] for operation in OPERATIONS.values()).values()) == {1}


def test_every_error_is_a_problem_by_reference():
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == [MEDIA_TYPE], name
                kind = "NotReady" if name == "GET /readyz" and status == "503" else "HttpProblem"
                assert response["content"][MEDIA_TYPE]["schema"] == {"$ref": f"#/components/schemas/{kind}"}, name
    assert not {"HTTPValidationError", "ValidationError"} & set(SCHEMAS)


def test_options_that_are_not_valid_are_400():
    for name, operation in OPERATIONS.items():
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
            assert "400" in operation["responses"], name


def test_every_schema_property_parameter_body_and_response_is_described():
    for name, schema in SCHEMAS.items():
        assert schema["description"], name
    for name, of in properties(DESCRIPTION["components"], DESCRIPTION["paths"]):
        assert of.get("description"), name
    for name, operation in OPERATIONS.items():
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{name}: {parameter['name']}"
        assert operation.get("requestBody", {"description": "none"}).get("description"), name
        for status, response in operation["responses"].items():
            assert response["description"] not in {"", "Successful Response"}, f"{name}: {status}"
            for header, of in response.get("headers", {}).items():
                assert of.get("description"), f"{name}: {status}: {header}"


def properties(*parts: object) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the properties of all schemas, however deep they lie, with their names."""
    for part in parts:
        if isinstance(part, dict):
            yield from part.get("properties", {}).items()
            yield from properties(*(of for key, of in part.items() if key not in {"example", "examples"}))
        elif isinstance(part, list):
            yield from properties(*part)


def test_every_array_says_what_it_holds():
    def arrays(schema: object):
        if isinstance(schema, dict):
            if schema.get("type") == "array":
                yield schema
            for value in schema.values():
                yield from arrays(value)

    assert all("items" in schema for schema in arrays(SCHEMAS))
