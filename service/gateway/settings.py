"""The gateway's settings, read from the environment (prefix `MIEN_`)."""

from __future__ import annotations

import ipaddress

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.gateway.callbacks.signature import parse_secret
from service.queue.settings import QueueSettings
from service.storage.settings import StorageSettings
from service.telemetry.settings import TelemetrySettings


class GatewaySettings(QueueSettings, StorageSettings, TelemetrySettings, BaseSettings):
    """Settings of one gateway."""

    # An error's text goes to the log, and what is wrong may be a secret.
    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True, hide_input_in_errors=True)

    host: str = Field(
        "127.0.0.1",
        description="Address that the gateway listens on. On all but loopback ones every request needs an API key.",
    )
    require_keys: bool = Field(False, description="Whether requests need an API key on loopback addresses, too.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the gateway listens on.")
    metrics_host: str = Field("127.0.0.1", description="Address of `MIEN_GATEWAY_METRICS_PORT`.")
    gateway_metrics_port: int = Field(
        0, ge=0, le=65535, description="Port that gives /metrics without a key, for an internal network; 0 for none."
    )
    allowed_hosts: tuple[str, ...] = Field(
        ("localhost", "127.0.0.1", "[::1]"),
        description='Names by which the gateway may be reached, as a JSON list; `["*"]` allows all.',
    )
    cors_origins: tuple[str, ...] = Field(
        (), description='Origins whose pages may use the API, as a JSON list: `["https://example.org"]`.'
    )
    grpc_port: int = Field(50051, ge=0, le=65535, description="Port that the gateway serves gRPC on; 0: a free one.")
    grpc_max_calls: int = Field(200, ge=1, description="Most gRPC calls at a time; more are refused at once.")
    watchers_max: int = Field(1000, ge=1, description="Most who follow the events of analyses at a time.")
    upload_max_bytes: int = Field(2 << 30, ge=1, description="Largest upload.")
    upload_idle_s: float = Field(
        30, gt=0, description="Seconds that an upload may stand still, or an answer be left unread."
    )
    upload_max_s: float = Field(3600, gt=0, description="Seconds that an upload may take.")
    wait_s: float = Field(60, ge=0, description="Longest that a request waits for an answer before it gets 202.")
    callback_secret: SecretStr | None = Field(
        None,
        description="What callbacks are signed with (Standard Webhooks): `whsec_` and 24 to 64 random bytes in base64. "
        "Without it none are taken; `mien serve` makes one and keeps it in its data folder.",
    )
    callback_private: bool = Field(
        False, description="Whether callbacks may go to addresses that are not of the public internet."
    )
    queue_max_jobs: int = Field(1000, ge=1, description="Most jobs that have not ended, uploads under way included.")
    queue_max_bytes: int = Field(50 << 30, ge=1, description="Most bytes of their uploads.")
    queue_max_wait_s: float = Field(
        3600, gt=0, description="Longest estimated wait: queued bytes divided by the workers' bytes a second."
    )
    sweep_every_s: int = Field(60, ge=1, description="Seconds between two sweeps of blobs and jobs left behind.")
    drain_s: float = Field(20, ge=0, description="Seconds that work under way gets to end when the process is stopped.")

    @field_validator("callback_secret")
    @classmethod
    def _is_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            parse_secret(secret.get_secret_value())
        return secret

    @property
    def keys_required(self) -> bool:
        """Whether every request needs an API key."""
        try:
            loopback = self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = False
        return self.require_keys or not loopback
