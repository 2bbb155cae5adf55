"""The options with which a command reaches a service."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option("--url", envvar="MIEN_URL", help="Address of the service.")]
Key = Annotated[str | None, typer.Option("--key", envvar="MIEN_KEY", help="The API key, if the service needs one.")]
