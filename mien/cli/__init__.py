"""The command `mien`. Data goes to stdout, everything else to stderr.

Exit codes: 0, success; 1, something failed; 2, usage or configuration error; 130, ended by Ctrl-C.
"""

import sys

import typer

from mien.cli.analyze import analyze  # noqa: F401 - registers itself
from mien.cli.app import cli
from mien.cli.bundles import check  # noqa: F401
from mien.cli.keys import create  # noqa: F401
from mien.cli.live import live  # noqa: F401
from mien.cli.missing import advice


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except ModuleNotFoundError as error:
        typer.echo(f"mien: {advice(error, 'serve')}", err=True)
        sys.exit(2)
