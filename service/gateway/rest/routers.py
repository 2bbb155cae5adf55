"""The routers of the REST API, in the order of its description."""

from __future__ import annotations

from copy import copy

from fastapi.routing import APIRoute, APIRouter

from service.gateway.rest import analyses, analyze, events, status, uploads

ROUTERS = (analyze.router, uploads.router, analyses.router, events.router, status.router)


def _add_head(router: APIRouter) -> None:
    """Answer HEAD wherever a router answers GET (RFC 9110, 9.3.2); the server leaves the body out.

    The API's description lists GET only.
    """
    for route in list(router.routes):
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            head = copy(route)
            head.methods, head.include_in_schema = {"HEAD"}, False
            router.routes.append(head)


for _router in (analyses.router, status.router):  # an event stream without its events would never end
    _add_head(_router)
