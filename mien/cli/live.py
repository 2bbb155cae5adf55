"""`mien live`: a camera or a video, scored as it is filmed."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli.app import cli


@cli.command()
def live(  # noqa: PLR0917 - typer calls it by name
    source: Annotated[str, typer.Argument(help="A camera's number, or a video's file, played at its own pace.")] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="Print the windows as JSON, one a line.")] = False,
    url: Annotated[str, typer.Option(envvar="MIEN_URL", help="The service to ask.")] = "http://127.0.0.1:8000",
    key: Annotated[str | None, typer.Option(envvar="MIEN_KEY", help="The API key, where one is needed.")] = None,
    faces: Annotated[int | None, typer.Option(help="Most faces followed at one time.")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds between the starts of two windows.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; can be given again.")] = None,
) -> None:
    """Score a camera's faces while it films them, with the service at --url. Ctrl-C ends it."""
    from mien.cli.options import options_of
    from mien.cli.show import print_window
    from mien.client import Mien
    from mien.contract.errors import MienError
    from mien.contract.options import LiveOptions
    from service.standalone.camera import pictures

    options = options_of(LiveOptions, {"faces": faces, "hop_s": hop, "tasks": task or None})
    try:
        with Mien(url, key=key) as mien:
            for scored in mien.live(pictures(source), options):
                if as_json:
                    typer.echo(scored.model_dump_json(exclude_unset=True))
                else:
                    print_window(scored.window)
    except MienError as error:
        typer.echo(f"mien live: {error}", err=True)
        raise typer.Exit(1) from error
