"""The command `mien-model`, which runs from a checkout of Mien."""

from __future__ import annotations

import sys

from mien.cli.missing import advice


def main() -> None:
    """Run the command, or say what to install and exit with 2."""
    try:
        from model.cli import main as run

        run()
    except ModuleNotFoundError as error:
        print(f"mien-model: {advice(error, 'render')}", file=sys.stderr)  # noqa: T201 - typer may be what is missing
        sys.exit(2)
