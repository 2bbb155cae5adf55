"""The command's root, and `mien serve`."""

from __future__ import annotations

import typer

cli = typer.Typer(
    help="Read what faces in a video show over time.",
    epilog="Exit codes: 0 all done, 1 something could not be done, 2 asked for wrongly or set up wrongly.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@cli.command()
def serve() -> None:
    """Serve everything on this machine: a private Redis, the gateway, one worker.

    Settings come from the environment; docs/configuration.md lists them.
    """
    from pydantic import ValidationError

    from service.contract.errors import Misconfigured
    from service.standalone.settings import StandaloneSettings
    from service.standalone.supervisor import serve as serve_until_stopped

    try:
        serve_until_stopped(StandaloneSettings())
    except (Misconfigured, ValidationError) as error:
        typer.echo(f"mien serve: {error}", err=True)
        raise typer.Exit(2) from error
