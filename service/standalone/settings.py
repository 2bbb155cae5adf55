"""The settings of `mien serve`, read from the environment (prefix `MIEN_`)."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _state_home() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "mien"


class StandaloneSettings(BaseSettings):
    """Settings of `mien serve`; the gateway and the worker that it starts read theirs from the same environment."""

    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True)

    data_dir: Path = Field(
        default_factory=_state_home,
        description="Folder in which `mien serve` keeps the queue, uploads and results; "
        "default: `$XDG_STATE_HOME/mien` (`~/.local/state/mien`).",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address that the gateway listens on. On any address but loopback every request needs an API key.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Port that the gateway listens on.")
    grpc_port: int = Field(50051, ge=1, le=65535, description="Port that the gateway serves gRPC on.")
