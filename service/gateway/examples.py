"""Answers that a running service gave, as examples in the app's OpenAPI description; `make examples` asks it anew."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

EXAMPLES = Path(__file__).with_name("examples.json")
"""Operation, as `GET /models` → status → the body: JSON, or text."""


def add_examples(app: FastAPI) -> None:
    """Put the examples into the description that the app gives."""
    plain = app.openapi

    @functools.cache
    def with_examples() -> dict[str, Any]:
        description = plain()
        for operation, answers in json.loads(EXAMPLES.read_text(encoding="utf-8")).items():
            method, path = operation.split()
            for status, body in answers.items():
                contents = description["paths"][path][method.lower()]["responses"][status]["content"]
                # JSON where there is a choice: text examples are of the operations that give text only.
                media_type = next(name for name in contents if name.endswith("json") != isinstance(body, str))
                contents[media_type]["example"] = body
        return description

    app.openapi = with_examples  # type: ignore[method-assign]  # FastAPI's way to extend it
