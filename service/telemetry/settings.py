"""Settings of logs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class TelemetrySettings(BaseModel):
    """What a process says of itself."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
