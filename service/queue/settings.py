"""Settings that every process at the queue shares."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class QueueSettings(BaseModel):
    """Location of the queue and lifetime of results. All processes of one service need the same values."""

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", description="The Redis or Valkey that holds the queue; `unix://` for a socket."
    )
    redis_password_file: Path | None = Field(
        None, description="File with the password for it, such as a mounted secret, if the URL has none."
    )
    results_ttl_s: int = Field(24 * 3600, ge=60, description="Seconds for which results can be read.")


class QueueEnvironment(QueueSettings, BaseSettings):
    """The same, read from the environment (prefix `MIEN_`), for commands that need nothing else."""

    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True)
