"""`mien live`: score the faces of a camera or a video while it plays."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from mien.cli.app import cli
from mien.cli.service import DEFAULT_URL, Key, Url


@cli.command()
def live(  # noqa: PLR0917 - typer calls it by name
    source: Annotated[str, typer.Argument(help="A camera's number, or a video file, played at its own speed.")] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="Print the windows as JSON, one a line.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    faces: Annotated[int | None, typer.Option(help="Most faces tracked at a time.")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds between the starts of two windows.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Run only this task; can be repeated.")] = None,
) -> None:
    """Score the faces before a camera until Ctrl-C."""
    from mien.cli.messages import hint
    from mien.cli.options import options_of
    from mien.cli.show import print_window
    from mien.client import Mien
    from mien.contract.options import LiveOptions
    from service.standalone.camera import pictures

    options = options_of(LiveOptions, {"faces": faces, "hop_s": hop, "tasks": task or None})
    seen = pictures(source)
    first = next(seen)  # before the service begins to wait for it
    found = False
    with Mien(url, key=key) as mien:
        for scored in mien.live(chain([first], seen), options):
            found = True
            if as_json:
                typer.echo(scored.model_dump_json(exclude_unset=True))
            else:
                print_window(scored.window)
    if not found:
        typer.echo(f"{source}: no face was found.", err=True)
    if not source.isdigit():
        hint(f"mien analyze {source} gives windows, verdicts and charts of the whole video.")
