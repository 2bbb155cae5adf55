"""The dependencies of every route run on the event loop, never in a thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.gateway.rest.routers import ROUTERS

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    assert dependant.call is not None
    yield dependant.call
    for needed in dependant.dependencies:
        yield from calls(needed)


def on_the_loop(call: Callable[..., Any]) -> bool:
    what = call if inspect.isroutine(call) else call.__call__
    return inspect.iscoroutinefunction(what) or inspect.isasyncgenfunction(what)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_no_part_of_a_route_runs_in_a_thread(route: APIRoute):
    assert [call for call in calls(route.dependant) if not on_the_loop(call)] == []
