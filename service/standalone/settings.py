"""The settings of `mien serve`, read from the environment (prefix `MIEN_`)."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def state_home() -> Path:
    """Return the folder in which `mien serve` keeps its data if none is given."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "mien"


class StandaloneSettings(BaseSettings):
    """Settings of `mien serve`; the gateway and the worker that it starts read theirs from the same environment."""

    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True)

    data_dir: Path = Field(
        default_factory=state_home,
        description="Folder in which `mien serve` keeps the queue, uploads and results; "
        "default: `$XDG_STATE_HOME/mien` (`~/.local/state/mien`).",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address that the gateway listens on. On any address but loopback every request needs an API key.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Port that the gateway listens on.")
    grpc_port: int = Field(50051, ge=1, le=65535, description="Port that the gateway serves gRPC on.")

    @model_validator(mode="after")
    def _has_two_ports(self) -> StandaloneSettings:
        if self.port == self.grpc_port:
            raise ValueError(f"REST and gRPC cannot share the port {self.port}: change --port or --grpc-port")
        return self

    @property
    def url(self) -> str:
        """Where a browser or a client on this machine reaches the gateway."""
        return f"http://{self._reached}:{self.port}"

    @property
    def grpc_address(self) -> str:
        """Where a gRPC client on this machine reaches the gateway."""
        return f"{self._reached}:{self.grpc_port}"

    @property
    def _reached(self) -> str:
        with suppress(ValueError):  # it is a name
            if ipaddress.ip_address(self.host).is_unspecified:  # all addresses of the machine: 0.0.0.0, ::
                return "localhost"
        return f"[{self.host}]" if ":" in self.host else self.host
