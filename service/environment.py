"""Read settings from the environment; say in one sentence which variable has a wrong value, and what it takes."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from mien.contract.errors import Misconfigured

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Settings = TypeVar("Settings", bound=BaseSettings)

_FIELD = re.compile(r'field "(\w+)"')
_INPUT_SHOULD = re.compile(r"^\w+ should\b")  # "Input should be …", "String should match …"
_WORD = re.compile(r"[^\s,\"'\[\]]+")


def read_settings(kind: type[Settings]) -> Settings:
    """Return the settings of a process, read from the environment.

    Raises:
        Misconfigured: a value is not valid. The sentence does not have the value of a variable that may be secret.
    """
    try:
        return kind()
    except SettingsError as error:  # a list that is not JSON: pydantic-settings names the field in the message only
        found = _FIELD.search(str(error))
        raise Misconfigured(_takes_list(found[1]) if found else str(error)) from error
    except ValidationError as error:
        raise Misconfigured(" ".join(map(_sentence, error.errors()))) from error


def _sentence(error: ErrorDetails) -> str:
    said = error["msg"].removeprefix("Value error, ").rstrip(".")
    if not error["loc"]:
        return f"{said}."
    field, *place = error["loc"]
    if error["type"] == "tuple_type":
        return _takes_list(str(field))
    item = f", item {place[0] + 1}," if place and isinstance(place[0], int) else ""
    subject = f"{_variable(str(field))}{item}"
    should = _INPUT_SHOULD.sub(f"{subject} should", said)
    return f"{should}." if should != said else f"{subject}: {said}."


def _takes_list(field: str) -> str:
    """Say that a variable takes a JSON list, with the words of its value as the example."""
    variable = _variable(field)
    words = _WORD.findall(os.environ.get(variable, ""))
    return f"{variable} takes a JSON list, as in {variable}='{json.dumps(words, ensure_ascii=False)}'."


def _variable(field: str) -> str:
    return f"MIEN_{field.upper()}"
