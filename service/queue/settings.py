"""Settings that every process at the queue shares."""

from __future__ import annotations

from pydantic import BaseModel, Field


class QueueSettings(BaseModel):
    """Where the queue is and what it promises. All processes of one service need the same values."""

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", description="The Redis or Valkey that holds the queue; `unix://` for a socket."
    )
    results_ttl_s: int = Field(24 * 3600, ge=60, description="Seconds for which results can be read.")
