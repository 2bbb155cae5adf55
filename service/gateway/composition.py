"""The gateway's composition root: its use cases over one queue and one store."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from redis.asyncio import Redis

from mien.contract.errors import InvalidOption
from service.gateway.callbacks.addresses import parse_callback_url
from service.gateway.callbacks.caller import Caller
from service.gateway.callbacks.signature import parse_secret
from service.gateway.settings import GatewaySettings
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.analyze_live import AnalyzeLive
from service.gateway.usecases.authenticate import Authenticate
from service.gateway.usecases.browse import Browse
from service.gateway.usecases.cancel import Cancel
from service.gateway.usecases.direct_upload import DirectUpload
from service.gateway.usecases.erase import Erase
from service.gateway.usecases.follow import Follow
from service.gateway.usecases.health_check import HealthCheck
from service.gateway.usecases.job_notifier import JobNotifier
from service.gateway.usecases.keys_in_use import KeysInUse
from service.gateway.usecases.service_status import ServiceStatus
from service.gateway.usecases.submit import Submit
from service.gateway.usecases.sweep import Sweep
from service.gateway.usecases.update_metrics import UpdateMetrics
from service.gateway.usecases.watch import Watch
from service.queue.admission import Admission, AdmissionLimits
from service.queue.callbacks import Callbacks
from service.queue.erasure import Erasure
from service.queue.jobs import Jobs
from service.queue.key_ring import ValidKeys
from service.queue.live_sessions import LiveSessions
from service.queue.repair import Repair
from service.queue.status import QueueStatus
from service.storage.blobs import open_blobs


def compose(settings: GatewaySettings, redis: Redis) -> tuple[UseCases, list[Callable[[], Coroutine[Any, Any, None]]]]:
    """Return the use cases, and the background work, each a function, that is to run as long as the gateway."""
    admission, jobs = Admission(redis), Jobs(redis)
    status, erasure = QueueStatus(redis), Erasure(redis)
    blobs = open_blobs(settings)
    limits = _limits(settings)
    check_callback = _callback_check(settings)
    notifier = JobNotifier(jobs)
    health = HealthCheck(status, blobs)
    valid_keys = ValidKeys(redis)
    keys_in_use = KeysInUse(valid_keys)
    uses = UseCases(
        settings=settings,
        authenticate=Authenticate(valid_keys, keys_in_use, settings.keys_required),
        submit=Submit(
            admission, jobs, blobs, limits, settings.upload_max_bytes, settings.upload_idle_s, check_callback
        ),
        direct_upload=DirectUpload(
            admission, jobs, blobs, limits, settings.upload_max_bytes, settings.containers, check_callback
        ),
        notifier=notifier,
        follow=Follow(jobs, blobs, notifier),
        watch=Watch(jobs, notifier, settings.watchers_max),
        live=AnalyzeLive(LiveSessions(redis), settings.key_max_live),
        browse=Browse(jobs),
        cancel=Cancel(jobs, blobs, erasure),
        update_metrics=UpdateMetrics(status, health),
        status=ServiceStatus(status, health, notifier),
    )
    sweep = Sweep(jobs, admission, Repair(redis), blobs, settings.upload_idle_s)
    background: list[Callable[[], Coroutine[Any, Any, None]]] = [
        notifier.listen,
        keys_in_use.watch,
        partial(sweep.every, settings.sweep_every_s),
        Erase(erasure, blobs, settings.redis_rewrite_s).every,
    ]
    if settings.callback_secret is not None:
        secret = parse_secret(settings.callback_secret.get_secret_value())
        background.append(Caller(jobs, Callbacks(redis), secret, settings.callback_private).run)
    if settings.gateway_metrics_port:
        background.append(uses.update_metrics.every)
    return uses, background


def _limits(settings: GatewaySettings) -> AdmissionLimits:
    return AdmissionLimits(
        jobs=settings.queue_max_jobs,
        bytes=settings.queue_max_bytes,
        wait_s=settings.queue_max_wait_s,
        slots=settings.slots_max,
        key_jobs=settings.key_max_jobs,
        key_uploads=settings.key_max_uploads,
        key_video_s=settings.key_max_video_s,
    )


def _callback_check(settings: GatewaySettings) -> Callable[[str], None]:
    def check(url: str) -> None:
        if settings.callback_secret is None:
            raise InvalidOption("callback_url: webhooks are not enabled. The operator can set MIEN_CALLBACK_SECRET.")
        parse_callback_url(url, allow_private=settings.callback_private)

    return check
