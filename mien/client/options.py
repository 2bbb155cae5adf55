"""Options as keyword arguments: `mien.analyze("clip.mp4", faces=2)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, TypeVar

from pydantic import ValidationError

from mien.contract.bundle import TaskKind
from mien.contract.errors import InvalidOption
from mien.contract.options import LiveOptions

Options = TypeVar("Options", bound=LiveOptions)


class LiveKeywords(TypedDict, total=False):
    """The options of `LiveOptions`."""

    faces: int
    hop_s: float | None
    tasks: Sequence[TaskKind] | None


class AnalyzeKeywords(LiveKeywords, total=False):
    """The options of `AnalyzeOptions`."""

    start_s: float
    end_s: float | None
    track: int | None
    pictures: bool
    callback_url: str | None


def merged(model: type[Options], options: Options | None, keywords: Mapping[str, object]) -> Options:
    """Return `options`, or the defaults, with `keywords` in place of the values there.

    Raises:
        TypeError: there is no such option.
        InvalidOption: a value is not valid.
    """
    if unknown := [name for name in keywords if name not in model.model_fields]:
        raise TypeError(f"There is no option {unknown[0]!r}. The options are {', '.join(model.model_fields)}.")
    given = {} if options is None else options.model_dump(exclude_unset=True)
    try:
        return model.model_validate(given | dict(keywords))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidOption(f"{where}: {message}." if where else f"{message}.") from error
