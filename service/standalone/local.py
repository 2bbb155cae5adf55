"""Analyse videos in this process, without a server: `mien analyze --local`."""

from __future__ import annotations

import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mien.contract.containers import HEAD_BYTES, is_accepted
from mien.contract.errors import CannotDecode, UnsupportedContainer
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from mien.contract.results import Analysis, Progress, Timings
from service.environment import read_settings
from service.gateway.sniff import file_kind
from service.worker.batcher import Batcher
from service.worker.onnx_model import open_models
from service.worker.pipeline import Analyzed, Pipeline
from service.worker.sandbox import Sandbox
from service.worker.settings import WorkerSettings

_READ_BYTES = 4096  # enough to name what is no video

Analyze = Callable[[Path, AnalyzeOptions, Callable[[Progress], None]], Analysis]
"""Analyse a video with options; the last argument is called with the progress."""


@contextmanager
def local_analyzer() -> Iterator[Analyze]:
    """Open the worker's pipeline with its settings, and give the function that runs it.

    On leaving, analyses that still run in other threads end with CancelledError.

    Raises:
        Misconfigured: a setting is not valid, or a bundle, provider or required layer of confinement not available.
    """
    settings = read_settings(WorkerSettings)
    models = open_models(settings.bundles, settings.providers, precision=settings.precision, tf32=settings.tf32)
    sandbox = Sandbox(settings.decode_stall_s, required=settings.sandbox == "required")
    sandbox.start(settings.decode_device)
    batcher = Batcher(models, settings.batch_wait_ms / 1000, lambda *_: None, lambda _: None)
    pipeline = Pipeline(models, sandbox, batcher, settings, settings.formats)
    interrupted = threading.Event()

    def analyze(video: Path, options: AnalyzeOptions, on_progress: Callable[[Progress], None]) -> Analysis:
        started = time.perf_counter()
        created_at = datetime.now(UTC)
        with video.open("rb") as file:
            head = file.read(_READ_BYTES)
        if not is_accepted(head[:HEAD_BYTES], settings.containers):
            kind = file_kind(head)
            raise UnsupportedContainer(f"The file is {kind.name}. {kind.advice}")
        try:
            for event in pipeline.analyze(video.name, video.resolve(), options, interrupted):
                if isinstance(event, Progress):
                    on_progress(event)
                elif isinstance(event, Analyzed):
                    return _analysis(event, created_at, round(1000 * (time.perf_counter() - started), 1))
        except Exception as error:
            if interrupted.is_set():
                raise CancelledError from error
            raise
        raise CannotDecode("The analysis of the video gave no result. Check that the video plays.")

    try:
        yield analyze
    finally:
        interrupted.set()
        batcher.close()


def _analysis(analyzed: Analyzed, created_at: datetime, total_ms: float) -> Analysis:
    findings = analyzed.findings
    return Analysis(
        id="local",
        state=State.SUCCEEDED,
        created_at=created_at,
        progress=Progress(done_s=findings.video.duration_s, total_s=findings.video.duration_s),
        video=findings.video,
        faces=findings.faces,
        models=findings.models,
        warnings=findings.warnings,
        timings_ms=Timings(
            queued=0.0,
            decode=round(analyzed.decode_ms, 1),
            inference=round(analyzed.inference_ms, 1),
            total=total_ms,
        ),
    )
