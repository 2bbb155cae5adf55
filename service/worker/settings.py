"""The worker's settings, read from the environment (prefix `MIEN_`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.formats import FormatSettings
from service.queue.settings import QueueSettings
from service.storage.settings import StorageSettings
from service.telemetry.settings import TelemetrySettings
from service.worker.cpus import available_cpus
from service.worker.pipeline import DecodeSettings
from service.worker.precision import PrecisionSetting

_FEWEST_SLOTS, _MOST_SLOTS = 2, 64

DEFAULT_BUNDLE = Path(__file__).parent / "bundles" / "default"


def default_slots() -> int:
    """Return as many slots as this process has processors, because each slot's decode child keeps one busy.

    One processor has two, so that it has work while a job begins or ends.
    """
    return min(max(_FEWEST_SLOTS, available_cpus()), _MOST_SLOTS)


class WorkerSettings(QueueSettings, StorageSettings, DecodeSettings, FormatSettings, TelemetrySettings, BaseSettings):
    """Settings of a worker."""

    model_config = SettingsConfigDict(env_prefix="MIEN_", env_ignore_empty=True)

    bundles: tuple[Path, ...] = Field(
        (DEFAULT_BUNDLE,), min_length=1, description="Folders of the bundles to serve, as a JSON list."
    )
    providers: tuple[Literal["tensorrt", "cuda", "openvino", "cpu"], ...] = Field(
        ("cpu",),
        min_length=1,
        description="ONNX Runtime's execution providers in order of preference, as a JSON list. "
        "If none of them is available, the worker does not start.",
    )
    precision: PrecisionSetting = Field(
        "auto",
        description="Precision to run in: `float32`; a variant in the bundles, `int8` or `float16`; or `bfloat16` with "
        "the provider `openvino`. `auto` tries what suits the provider (`cpu`: `int8`; `cuda`, `tensorrt`: `float16`; "
        "`openvino`: `bfloat16`) and takes what gives 1.2 times as many clips a second as `float32`, and outputs "
        "within 0.01 of its own.",
    )
    tf32: bool = Field(
        False,
        description="Whether a GPU (`cuda`) may compute float32 in TF32: large models take half the time, "
        "and scores differ from a processor's by up to about 0.0002.",
    )
    sandbox: Literal["best", "required"] = Field(
        "best",
        description="Confinement of video decoding: `best` uses the layers that the kernel offers; with `required` the "
        "worker does not start if a layer is missing.",
    )
    slots: int = Field(
        default_factory=default_slots,
        ge=1,
        le=64,
        description="Number of jobs processed at a time; by default one for each processor, but 2 to 64.",
    )
    live_slots: int = Field(
        4, ge=0, le=64, description="Number of live analyses at a time, besides the jobs; 0 for none."
    )
    live_max_s: float = Field(3600, gt=0, description="Longest live analysis in seconds.")
    batch_wait_ms: float = Field(5, ge=0, description="Milliseconds that a clip waits for others to fill its batch.")
    lease_s: float = Field(
        30,
        gt=0,
        description="Seconds until a job's lease expires and another worker takes over.",
    )
    max_attempts: int = Field(3, ge=1, description="Maximum number of attempts at a job before it fails.")
    drain_s: float = Field(20, ge=0, description="Seconds for running work to finish when the process is stopped.")
    metrics_host: str = Field("127.0.0.1", description="Address that serves /metrics on the metrics port.")
    metrics_port: int = Field(9101, ge=0, le=65535, description="Port of the worker's /metrics; 0 for any free port.")
