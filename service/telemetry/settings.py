"""Settings of logs and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class TelemetrySettings(BaseModel):
    """Settings of a process's logs and traces."""

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="URL to which traces are sent as OTLP over HTTP: `http://collector:4318`. Unset: none.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
