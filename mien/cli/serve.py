"""`mien serve`: the whole service on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from mien.cli.app import cli
from mien.cli.service import Data


@cli.command()
def serve(
    port: Annotated[
        int | None,
        typer.Option(envvar="MIEN_PORT", min=1, max=65535, help="Port of the page and of REST; default: 8000."),
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(envvar="MIEN_GRPC_PORT", min=1, max=65535, help="Port of gRPC; default: 50051.")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            envvar="MIEN_HOST",
            help="Address to listen on; default: 127.0.0.1. On others every request needs an API key.",
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Serve the page and the APIs on this machine.

    Starts a private Redis, the gateway and one worker. Other settings come from the environment;
    docs/configuration.md lists them.
    """
    given = {"MIEN_PORT": port, "MIEN_GRPC_PORT": grpc_port, "MIEN_HOST": host, "MIEN_DATA_DIR": data}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})

    from service.environment import read_settings
    from service.standalone.settings import StandaloneSettings
    from service.standalone.supervisor import serve as serve_until_stopped

    serve_until_stopped(read_settings(StandaloneSettings))
