"""The routers of the REST API, in the order of its description."""

from __future__ import annotations

from service.gateway.rest import analyses, analyze, events, status, uploads

ROUTERS = (analyze.router, uploads.router, analyses.router, events.router, status.router)
