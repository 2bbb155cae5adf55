"""Limit gRPC calls: their number from one address, and the time for their request to arrive."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
from google.protobuf.message import Message

from mien.contract.errors import MalformedBody, MienError, TooManyConnections, UploadStalled
from service.gateway.connections import source_of
from service.gateway.metrics import REFUSALS
from service.gateway.request_context import request_id_of
from service.gateway.rpc.calls import Context, abort

Method = Callable[..., Any]
Take = Callable[[AsyncIterator[Message]], Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # not generic at run time


class CallLimits(grpc.aio.ServerInterceptor):
    """Intercept every call, including health checks and reflection.

    gRPC itself waits for a call's request without a limit, so silent calls could take up all places.

    Args:
        most_per_address: maximum number of calls.
        idle_s: seconds for a message to arrive.
        own: prefix of the methods that limit their streams themselves.
    """

    def __init__(self, most_per_address: int, idle_s: float, own: str) -> None:
        self._most = most_per_address
        self._idle_s = idle_s
        self._own = own
        self._calls: Counter[str] = Counter()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's handler under the limits."""
        handler = await continuation(details)
        if handler is None:
            return None
        if not handler.request_streaming:
            take: Take = self._message
        elif details.method.startswith(self._own):
            take = _unchanged
        else:
            take = self._in_time
        method: Any = handler.stream_stream or handler.stream_unary or handler.unary_stream or handler.unary_unary
        build = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        bound = self._generated if inspect.isasyncgenfunction(method) else self._awaited
        return build(bound(method, take), handler.request_deserializer, handler.response_serializer)

    def _awaited(self, method: Method, take: Take) -> Method:
        async def serve(requests: AsyncIterator[Message], context: Context) -> object:
            try:
                with self._place(context):
                    taken = take(requests)
                    return await method(await taken if inspect.iscoroutine(taken) else taken, context)
            except MienError as error:
                await abort(context, error, request_id_of(""))

        return serve

    def _generated(self, method: Method, take: Take) -> Method:
        async def serve(requests: AsyncIterator[Message], context: Context) -> AsyncGenerator[Message]:
            try:
                with self._place(context):
                    async for response in method(take(requests), context):
                        yield response
            except MienError as error:
                await abort(context, error, request_id_of(""))

        return serve

    @contextmanager
    def _place(self, context: Context) -> Iterator[None]:
        source = source_of_peer(context.peer())
        if self._calls[source] >= self._most:
            REFUSALS.labels("full_address_calls").inc()
            raise TooManyConnections(
                f"This address has the maximum of {self._most} calls. Try again when one has ended.",
                5,
            )
        self._calls[source] += 1
        try:
            yield
        finally:
            self._calls[source] -= 1
            if not self._calls[source]:
                del self._calls[source]

    async def _message(self, requests: AsyncIterator[Message]) -> Message:
        async for message in self._in_time(requests):
            return message
        raise MalformedBody("The call has no message. Send the request.")

    async def _in_time(self, requests: AsyncIterator[Message]) -> AsyncGenerator[Message]:
        messages = aiter(requests)
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    message = await anext(messages)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise no_message(self._idle_s) from error
            yield message


def no_message(idle_s: float) -> UploadStalled:
    """Return the error of a call whose message did not come within `idle_s` seconds."""
    return UploadStalled(f"No message came within {idle_s:g} s. Call again and send it.")


def _unchanged(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    return requests


def source_of_peer(peer: str) -> str:
    """Return the address in gRPC's name of a client, such as `ipv4:127.0.0.1:5` or `ipv6:%5B::1%5D:5`."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return peer
    return source_of(rest.rpartition(":")[0].strip("[]"))
