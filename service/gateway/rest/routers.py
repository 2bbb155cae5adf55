"""The routers of the REST API, in the order in which its description tells them."""

from __future__ import annotations

from service.gateway.rest import analyses, analyze, events, status, uploads

ROUTERS = (analyze.router, uploads.router, analyses.router, events.router, status.router)
