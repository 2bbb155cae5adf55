"""The use cases of one gateway, which REST, the WebSocket and gRPC call."""

from __future__ import annotations

from dataclasses import dataclass

from service.gateway.settings import GatewaySettings
from service.gateway.usecases.analyze_live import AnalyzeLive
from service.gateway.usecases.authenticate import Authenticate
from service.gateway.usecases.browse import Browse
from service.gateway.usecases.cancel import Cancel
from service.gateway.usecases.direct_upload import DirectUpload
from service.gateway.usecases.follow import Follow
from service.gateway.usecases.job_notifier import JobNotifier
from service.gateway.usecases.service_status import ServiceStatus
from service.gateway.usecases.submit import Submit
from service.gateway.usecases.update_metrics import UpdateMetrics
from service.gateway.usecases.watch import Watch


@dataclass(frozen=True)
class UseCases:
    """The use cases of one gateway, and the settings that bound the requests to them."""

    settings: GatewaySettings
    authenticate: Authenticate
    submit: Submit
    direct_upload: DirectUpload
    notifier: JobNotifier
    follow: Follow
    watch: Watch
    live: AnalyzeLive
    browse: Browse
    cancel: Cancel
    update_metrics: UpdateMetrics
    status: ServiceStatus
