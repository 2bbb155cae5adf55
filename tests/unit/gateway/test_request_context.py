import asyncio
from http import HTTPMethod

import pytest
from starlette.responses import PlainTextResponse

from service.gateway.metrics import REQUESTS
from service.gateway.request_context import RequestContext


def counted(method: str) -> set[str]:
    """Return the methods that requests are counted by after one with this method."""
    REQUESTS.clear()

    async def answering(scope, receive, send):
        await PlainTextResponse("no", status_code=405)(scope, receive, send)

    async def send(_):
        pass

    scope = {"type": "http", "method": method, "path": "/", "headers": []}
    asyncio.run(RequestContext(answering, None)(scope, None, send))
    return {sample.labels["method"] for family in REQUESTS.collect() for sample in family.samples}


@pytest.mark.parametrize("method", HTTPMethod)
def test_requests_are_counted_by_method(method):
    assert counted(str(method)) == {method}


@pytest.mark.parametrize("method", ["PROPFIND", "get", "X" * 60_000, "other", ""])
def test_methods_that_a_client_made_up_are_counted_together(method):
    assert counted(method) == {"other"}
