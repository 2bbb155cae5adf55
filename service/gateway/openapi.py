"""The app's OpenAPI description: what FastAPI derives from the routes, corrected and with examples.

The examples are responses that a running service gave; `make examples` records them anew.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from service.gateway.error_mapping import MEDIA_TYPE, HttpProblem, NotReady

EXAMPLES = Path(__file__).with_name("examples.json")
"""Operation, as `GET /models` → status → the body: JSON, or text."""

TAGS = [
    {"name": "analyses", "description": "Send videos, follow their analyses and read the results."},
    {"name": "uploads", "description": "Send large videos straight to the object store."},
    {"name": "service", "description": "What is served, and how the service is."},
]
SERVERS = [{"url": "/", "description": "The service that gives this description."}]
LICENCE = {"name": "MIT", "identifier": "MIT"}
CONTACT = {"name": "Mien's developers"}


def operation_id(route: APIRoute) -> str:
    """Return a route's operation id, from which generated clients name their functions."""
    return route.name


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of an operation: these statuses, and those that every operation can have."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{HttpProblem.__name__}"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*statuses, 408, 421, 500, 503})
    }


def describe(app: FastAPI) -> None:
    """Correct the description that the app gives, and put the examples into it."""
    derived = app.openapi

    @functools.cache
    def described() -> dict[str, Any]:
        description = derived()
        schemas = description["components"]["schemas"]
        # Errors of validation are 400, as all other problems.
        del schemas["HTTPValidationError"], schemas["ValidationError"]
        schemas |= {model.__name__: model.model_json_schema() for model in (HttpProblem, NotReady)}
        # Tools for OpenAPI 3.0 look for `items` in every array.
        for point in _tuples(schemas):
            point["items"] = {"type": "number"}
        for operation in _operations(description):
            responses = operation["responses"]
            if "HTTPValidationError" in json.dumps(responses.get("422")):
                del responses["422"]
            for response in responses.values():
                for content in response.get("content", {}).values():
                    if content.pop("itemSchema", None) is not None:  # of OpenAPI 3.2
                        content["schema"] = {"type": "string"}
            # A loopback service needs no key.
            operation["security"] = [{}, *operation["security"]] if "security" in operation else []
        for name, answers in json.loads(EXAMPLES.read_text(encoding="utf-8")).items():
            method, path = name.split()
            for status, body in answers.items():
                contents = description["paths"][path][method.lower()]["responses"][status]["content"]
                # JSON where there is a choice: text examples are of the operations that give text only.
                media_type = next(name for name in contents if name.endswith("json") != isinstance(body, str))
                contents[media_type]["example"] = body
        return description

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's way to extend it


def _tuples(schema: object) -> Iterator[dict[str, Any]]:
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _tuples(value)
    if isinstance(schema, dict) and "prefixItems" in schema:
        yield schema


def _operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from path.values()
