"""The routes' dependencies: use cases, the owner of the key, path parameters, headers.

All of these are coroutines, even those that await nothing: FastAPI runs other functions in threads, and on a busy
machine each request would wait for a thread several times.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from mien.contract.api_keys import Scope
from mien.contract.errors import InvalidOption
from service.gateway.connections import source_of
from service.gateway.idempotency import parse_idempotency_key
from service.gateway.prefer_header import Preference, parse_prefer
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.authenticate import Owner

_BEARER = HTTPBearer(
    auto_error=False, description="An API key: `mien_…`."
)  # documents the scheme; `Authenticate` checks it

_REPEATABLE = frozenset({"tasks"})


async def use_cases(request: Request) -> UseCases:
    """Return the app's use cases."""
    found: UseCases = request.app.state.use_cases
    return found


async def preference(request: Request) -> Preference:
    """Return the request's `Prefer` header, parsed."""
    return parse_prefer(",".join(request.headers.getlist("prefer")))


async def idempotency_key(request: Request) -> str | None:
    """Return the request's `Idempotency-Key` header, parsed."""
    return parse_idempotency_key(request.headers.getlist("idempotency-key"))


def option_names(request: Request) -> list[str]:
    """Return the names of the query options that a request's route has."""
    models = [parameter.field_info.annotation for parameter in request.scope["route"].dependant.query_params]
    return [name for model in models for name in model.model_fields]


async def check_repeated_options(request: Request) -> None:
    """Check that options with one value are given once.

    Raises:
        InvalidOption: one is repeated.
    """
    for name in option_names(request):
        if name not in _REPEATABLE and len(request.query_params.getlist(name)) > 1:
            raise InvalidOption(f"{name}: this option is given more than once. Give it once.")


def _owner(scope: Scope) -> Callable[..., AsyncIterator[Owner]]:
    async def authenticate(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> AsyncIterator[Owner]:
        address = source_of(request.client.host) if request.client else ""
        uses = await use_cases(request)
        owner = await uses.authenticate(request.headers.get("authorization"), scope, address)
        async with owner.while_valid():
            yield owner

    return authenticate


Uses = Annotated[UseCases, Depends(use_cases)]
# Of the scope "function": a key that is revoked ends the endpoint, not the response that it has returned.
Sender = Annotated[Owner, Depends(_owner(Scope.ANALYZE), scope="function")]
Reader = Annotated[Owner, Depends(_owner(Scope.READ), scope="function")]
Operator = Annotated[Owner, Depends(_owner(Scope.ADMIN), scope="function")]
Prefers = Annotated[Preference, Depends(preference)]
Key = Annotated[str | None, Depends(idempotency_key)]
AnalysisId = Annotated[str, Path(description="The analysis's id.", examples=["01M8DZKXH8BZBZ4HJDQ5ZK5X2M"])]
UploadId = Annotated[str, Path(description="The upload's id, given by `POST /uploads`.")]
Accept = Annotated[str, Header(description="`text/csv` for a table; JSON otherwise.")]
LastEventId = Annotated[str, Header(description="Id of the last event that the client has; the events after it come.")]

PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string"},
    "description": "`respond-async` to get 202 at once, `wait=N` to wait N seconds at most (RFC 7240).",
}
"""Describes the header, which is parsed by `preference`."""
