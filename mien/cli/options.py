"""Options of the command line → those of the contract."""

from __future__ import annotations

from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from mien.contract.options import LiveOptions

Options = TypeVar("Options", bound=LiveOptions)


def options_of(model: type[Options], given: dict[str, Any]) -> Options:
    """Return the options that are given; None stands for what is not.

    Raises:
        BadParameter: a value cannot be taken.
    """
    try:
        return model.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(
            f"{'.'.join(map(str, first['loc'])) or 'options'}: {first['msg'].removeprefix('Value error, ')}"
        ) from error
