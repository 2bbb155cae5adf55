"""Let an option take several values: `--dimensions valence:-1:1 arousal:-1:1`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand


class ManyValues(TyperCommand):
    """A command whose repeatable options take all values up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 — typer's own
        """Repeat the option before each of its values, as the parser expects."""
        repeatable = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        return super().parse_args(ctx, list(_repeated(args, repeatable)))


def _repeated(args: Sequence[str], repeatable: set[str]) -> Iterator[str]:
    option, taken = "", 0
    for arg in args:
        if arg.startswith("--"):
            name, equals, _ = arg.partition("=")
            option, taken = name if name in repeatable else "", int(bool(equals))
        elif option:
            taken += 1
            if taken > 1:
                yield option
        yield arg
