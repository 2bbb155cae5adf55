"""The worker's settings, read from the environment (prefix `MIEN_`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.queue.settings import QueueSettings
from service.storage.settings import StorageSettings
from service.telemetry.settings import TelemetrySettings
from service.worker.pipeline import DecodeSettings

DEFAULT_BUNDLE = Path(__file__).parent / "bundles" / "default"


class WorkerSettings(QueueSettings, StorageSettings, DecodeSettings, TelemetrySettings, BaseSettings):
    """Settings of one worker."""

    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True)

    bundles: tuple[Path, ...] = Field(
        (DEFAULT_BUNDLE,), min_length=1, description="The bundles to serve, a JSON list of folders, each for its tasks."
    )
    providers: tuple[Literal["tensorrt", "cuda", "openvino", "cpu"], ...] = Field(
        ("cpu",),
        min_length=1,
        description="ONNX Runtime's execution providers in order of preference, a JSON list. "
        "Where none of them can be had the worker refuses to start.",
    )
    sandbox: Literal["best", "required"] = Field(
        "best",
        description="Whether videos are decoded under what confinement the kernel offers, or the worker refuses "
        "to start where a layer is lacking.",
    )
    slots: int = Field(2, ge=1, le=64, description="Jobs worked on at once.")
    live_slots: int = Field(1, ge=0, le=64, description="Live analyses at once, beside the jobs; 0 for none.")
    live_max_s: float = Field(3600, gt=0, description="Longest live analysis in seconds.")
    batch_wait_ms: float = Field(5, ge=0, description="Longest that a clip waits for others to fill its batch.")
    lease_s: float = Field(30, gt=0, description="Seconds without a renewal after which another worker takes over.")
    max_attempts: int = Field(3, ge=1, description="Attempts at a job before it fails.")
    drain_s: float = Field(20, ge=0, description="Seconds that work under way gets to end when the process is stopped.")
    metrics_host: str = Field("127.0.0.1", description="Address of the worker's /metrics.")
    metrics_port: int = Field(9101, ge=0, le=65535, description="Port of the worker's /metrics; 0 for any free one.")
