"""The command's root, which translates errors into sentences and exit codes."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mien import __version__


class _Root(TyperGroup):
    """Run a command; print its errors as one sentence, and exit with their code."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401 - as in the base class
        try:
            return super().invoke(ctx)
        except Exception as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            has_local = command is not None and any(option.name == "local" for option in command.params)
            if (end := _sentence_and_code(error, local=has_local)) is None:
                raise
            typer.echo(f"mien {ctx.invoked_subcommand}: {end[0]}", err=True)
            raise typer.Exit(end[1]) from error


def _sentence_and_code(error: Exception, *, local: bool) -> tuple[str, int] | None:
    from mien.cli.messages import explanation
    from mien.cli.missing import advice
    from mien.contract.errors import MienError, Misconfigured

    end: tuple[str, int] | None = None
    match error:
        case ModuleNotFoundError():
            end = advice(error, "serve"), 2
        case ImportError():
            end = f"a Python package cannot be loaded: {error}", 2
        case Misconfigured():
            end = str(error), 2
        case MienError():
            end = explanation(error, local=local), 1
        case OSError(strerror=str(reason)) if not isinstance(error, BrokenPipeError):  # at which typer ends quietly
            end = f"{error.filename}: {reason}" if error.filename else reason, 1
    return end


cli = typer.Typer(
    cls=_Root,
    epilog="Exit codes: 0 success, 1 something failed, 2 usage or configuration error, 130 ended by Ctrl-C.",
    no_args_is_help=True,
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
