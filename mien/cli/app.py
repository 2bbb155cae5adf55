"""The command's root, and `mien serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from mien import __version__

cli = typer.Typer(
    epilog="Exit codes: 0 success, 1 something failed, 2 usage or configuration error, 130 ended by Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mien {__version__}")
        raise typer.Exit


@cli.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Read what faces in a video show over time."""


@cli.command()
def serve() -> None:
    """Serve everything on this machine: a private Redis, the gateway, one worker.

    Settings come from the environment; docs/configuration.md lists them.
    """
    from pydantic import ValidationError

    from mien.contract.errors import Misconfigured
    from service.standalone.settings import StandaloneSettings
    from service.standalone.supervisor import serve as serve_until_stopped

    try:
        serve_until_stopped(StandaloneSettings())
    except (Misconfigured, ValidationError) as error:
        typer.echo(f"mien serve: {error}", err=True)
        raise typer.Exit(2) from error
