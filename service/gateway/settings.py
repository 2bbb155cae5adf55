"""The gateway's settings, read from the environment (prefix `MIEN_`)."""

from __future__ import annotations

import ipaddress

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.formats import FormatSettings
from service.gateway.callbacks.signature import parse_secret
from service.queue.settings import QueueSettings
from service.storage.settings import StorageSettings
from service.telemetry.settings import TelemetrySettings


class GatewaySettings(QueueSettings, StorageSettings, FormatSettings, TelemetrySettings, BaseSettings):
    """Settings of a gateway."""

    # Validation errors are logged, and the value may be a secret.
    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True, hide_input_in_errors=True)

    host: str = Field(
        "127.0.0.1",
        description="Address that the gateway listens on. On any address but loopback every request needs an API key.",
    )
    require_keys: bool = Field(False, description="Whether requests need an API key on loopback addresses as well.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the gateway listens on.")
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address that serves /metrics on the metrics port.",
    )
    gateway_metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port that serves /metrics without an API key, for internal networks; 0 for none.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        ("localhost", "127.0.0.1", "[::1]"),
        description='Host names that requests may use, as a JSON list; `["*"]` allows all.',
    )
    cors_origins: tuple[str, ...] = Field(
        (), description='Origins of web pages that may call the API (CORS), as a JSON list: `["https://example.org"]`.'
    )
    connections_max: int = Field(
        2000,
        ge=1,
        description="Maximum number of HTTP connections, and of gRPC connections. Beyond it a new HTTP connection "
        "takes the place of a silent one; if there is none, it is refused.",
    )
    connections_per_address: int = Field(
        500,
        ge=1,
        description="Maximum number of HTTP connections from one address (IPv6: one /64 network). Behind a reverse "
        "proxy, which connects for everybody, set it to the same as `MIEN_CONNECTIONS_MAX`.",
    )
    head_s: float = Field(
        10,
        gt=0,
        description="Seconds for a request's head to arrive on an open connection, and for the handshake of a gRPC "
        "connection; then the connection is closed.",
    )
    grpc_port: int = Field(50051, ge=0, le=65535, description="Port that the gateway serves gRPC on; 0 for any.")
    grpc_max_calls: int = Field(200, ge=1, description="Maximum number of concurrent gRPC calls; more are refused.")
    grpc_calls_per_address: int = Field(
        100, ge=1, description="Maximum number of concurrent gRPC calls from one address; more are refused."
    )
    watchers_max: int = Field(1000, ge=1, description="Maximum number of clients that watch analyses at a time.")
    upload_max_bytes: int = Field(2 << 30, ge=1, description="Largest upload in bytes.")
    upload_idle_s: float = Field(
        30, gt=0, description="Seconds without progress after which an upload or a response is aborted."
    )
    upload_max_s: float = Field(3600, gt=0, description="Longest upload in seconds.")
    wait_s: float = Field(60, ge=0, description="Seconds that a request waits for the result before it gets 202.")
    callback_secret: SecretStr | None = Field(
        None,
        description="Secret that signs callbacks (Standard Webhooks): `whsec_` and 24 to 64 random bytes in base64. "
        "Without it `callback_url` is refused. `mien serve` generates one and keeps it in its data folder.",
    )
    callback_private: bool = Field(
        False, description="Whether callbacks may go to private addresses, outside the public internet."
    )
    queue_max_jobs: int = Field(1000, ge=1, description="Maximum number of unfinished jobs, including uploads.")
    queue_max_bytes: int = Field(50 << 30, ge=1, description="Maximum total size of these jobs' uploads in bytes.")
    queue_max_wait_s: float = Field(
        3600,
        gt=0,
        description="Longest estimated wait in seconds: the queued videos' bytes, or pixels where a header tells of "
        "many in few bytes, divided by what the workers process in a second. If it is longer, uploads are refused.",
    )
    slots_max: int = Field(1000, ge=1, description="Maximum number of slots open for uploads to the object store.")
    key_max_jobs: int = Field(100, ge=1, description="Maximum number of unfinished jobs of one API key.")
    key_max_uploads: int = Field(
        20, ge=1, description="Maximum number of uploads of one API key at a time, with its open slots."
    )
    key_max_video_s: float = Field(
        24 * 3600, gt=0, description="Seconds of video that are analysed for one API key in a day."
    )
    key_max_live: int = Field(4, ge=1, description="Maximum number of live analyses of one API key at a time.")
    sweep_every_s: int = Field(60, ge=1, description="Seconds between two sweeps of abandoned blobs and jobs.")
    redis_rewrite_s: int = Field(
        300,
        ge=0,
        description="Seconds between two rewrites of Redis' append-only file, which are made only if it still contains "
        "erased data; 0 leaves them to Redis.",
    )
    unready_s: float = Field(
        0,
        ge=0,
        description="Seconds for which a gateway that is to stop reports that it is not ready and still serves, until "
        "load balancers send it no more requests.",
    )
    drain_s: float = Field(20, ge=0, description="Seconds for running work to finish when the process is stopped.")

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
