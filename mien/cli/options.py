"""Translate options of the command line into those of the contract, and errors back."""

from __future__ import annotations

from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from mien.cli.messages import FLAGS, in_flags
from mien.contract.options import LiveOptions

Options = TypeVar("Options", bound=LiveOptions)


def options_of(model: type[Options], given: dict[str, Any]) -> Options:
    """Validate the options that are given, by their names in the contract; None means not given.

    Raises:
        BadParameter: a value is not valid.
    """
    try:
        return model.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        message = in_flags(first["msg"].removeprefix("Value error, "))
        flag = FLAGS.get(str(first["loc"][0]), "") if first["loc"] else ""
        raise typer.BadParameter(f"{flag}: {message}" if flag else message) from error
