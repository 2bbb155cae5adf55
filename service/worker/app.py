"""The worker's composition root."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
from types import FrameType

import structlog
from prometheus_client import start_http_server

from mien.contract.errors import Misconfigured
from mien.contract.workers import Registration
from service.environment import read_settings
from service.queue.connection import connect
from service.queue.consumer import Consumer
from service.queue.live_sessions import LiveSessionQueue
from service.storage.blobs import open_blobs
from service.telemetry.logs import configure_logs
from service.telemetry.traces import configure_traces
from service.worker import metrics
from service.worker.batcher import Batcher
from service.worker.confinement import LAYERS, hide_memory
from service.worker.live_loop import LiveLoop
from service.worker.loop import JobLoop
from service.worker.occupancy import Occupancy
from service.worker.onnx_model import open_models
from service.worker.outages import Outages
from service.worker.pipeline import Pipeline
from service.worker.running import hung_after_s
from service.worker.sandbox import Sandbox
from service.worker.settings import WorkerSettings

log = structlog.get_logger()

# Without one of these a worker would look alive and do nothing; its jobs go to others, or to its next process.
_THREADS = ("inference", "keeper", "live")


def main() -> int:
    """Run a worker until SIGTERM or SIGINT; return the exit code: 2 for a bad configuration, 1 for a defect."""
    os.umask(0o077)
    try:
        hide_memory()
        settings = read_settings(WorkerSettings)
        configure_logs("worker", settings.log_level)
        configure_traces("worker", settings.otlp_endpoint)
        threading.excepthook = _end_with
        _serve(settings)
    except Misconfigured as error:
        configure_logs("worker", "info")
        log.error("cannot start", reason=error.detail)  # noqa: TRY400 - the sentence says it; a traceback would bury it
        return 2
    except Exception:  # whatever it is, who started this process is to start another
        log.exception("the worker ends by a defect")
        return 1
    return 0


def _end_with(lost: threading.ExceptHookArgs) -> None:
    """End the process with a thread that ends by a defect, if there is one of the kind for the whole process."""
    name = lost.thread.name if lost.thread else ""
    error = lost.exc_value or lost.exc_type()
    log.critical("a thread ended by a defect", thread=name, exc_info=error)
    if name in _THREADS:
        os._exit(1)


def _serve(settings: WorkerSettings) -> None:
    models = open_models(settings.bundles, settings.providers, precision=settings.precision, tf32=settings.tf32)
    for model in models:
        if model.trials:
            tried = {each: f"{trial.clips_per_s:.3g} clips/s" for each, trial in model.trials.items()}
            gaps = {each: f"{trial.difference:.2g}" for each, trial in model.trials.items() if each != "float32"}
            log.info("precision", model=model.info.name, chosen=model.info.precision, tried=tried, differences=gaps)
    blobs = open_blobs(settings)
    sandbox = Sandbox(settings.decode_stall_s, required=settings.sandbox == "required")
    lacking = sandbox.start(settings.decode_device)
    tell = log.warning if lacking else log.info
    tell("sandbox", layers=[layer for layer in LAYERS if layer not in lacking], lacking=lacking)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    consumer = Consumer(
        connect(settings.redis_url, settings.redis_password_file),
        connect(settings.redis_url, settings.redis_password_file),
        name=name,
        lease_s=settings.lease_s,
        max_attempts=settings.max_attempts,
        results_ttl_s=settings.results_ttl_s,
    )

    def on_batch(clips: int, seconds: float) -> None:
        metrics.BATCH_CLIPS.observe(clips)
        metrics.BATCH_SECONDS.observe(seconds)

    def on_lost(error: Exception) -> None:
        # Its jobs go to other workers, or to this one when it is started again, if its model then runs.
        log.critical("the model does not run any more", error=str(error))
        os._exit(1)

    batcher = Batcher(models, settings.batch_wait_ms / 1000, on_batch, on_lost)
    provider = models[0].provider
    metrics.PROVIDER.labels(provider).set(1)
    served = [model.served for model in models]
    pipeline = Pipeline(models, sandbox, batcher, settings, settings.formats)
    occupancy, outages = Occupancy(), Outages()
    loop = JobLoop(
        consumer,
        blobs,
        pipeline,
        slots=settings.slots,
        drain_s=settings.drain_s,
        hung_after_s=hung_after_s(settings.decode_stall_s),
        occupancy=occupancy,
        outages=outages,
        register=lambda rate: Registration(
            name=name, provider=provider, models=served, price_per_s=rate, waits_for_store="store" in outages.parts
        ),
    )
    live = LiveLoop(
        LiveSessionQueue(*(connect(settings.redis_url, settings.redis_password_file, text=False) for _ in range(2))),
        pipeline,
        slots=settings.live_slots,
        max_s=settings.live_max_s,
        occupancy=occupancy,
    )
    watching = threading.Thread(target=live.run, name="live", daemon=True)  # a defect of the main loop ends it, too

    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.stop()
        live.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        server, _ = start_http_server(settings.metrics_port, settings.metrics_host)
    except OSError as error:
        raise Misconfigured(
            f"{settings.metrics_host}:{settings.metrics_port} cannot be listened on: {error.strerror}. "
            "Set MIEN_METRICS_PORT."
        ) from error
    described = [f"{model.name} {model.version} {model.precision}" for model in served]
    log.info("ready", worker=name, provider=provider, models=described)
    if settings.live_slots:
        watching.start()
    loop.run()
    if settings.live_slots:
        watching.join()
    batcher.close()
    server.shutdown()
    log.info("stopped")
