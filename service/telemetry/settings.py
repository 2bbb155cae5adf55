"""Settings of logs and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class TelemetrySettings(BaseModel):
    """What a process says of itself."""

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where traces are sent, as OTLP over HTTP: `http://collector:4318`. Without it none are recorded.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
