"""The options that name a service: its address and key or, on its machine, its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option("--url", envvar="MIEN_URL", help="Address of the service.")]
Key = Annotated[str | None, typer.Option("--key", envvar="MIEN_KEY", help="The API key, if the service needs one.")]

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="MIEN_DATA_DIR",
        help="Folder of `mien serve` with the queue, uploads and results; default: ~/.local/state/mien.",
    ),
]
