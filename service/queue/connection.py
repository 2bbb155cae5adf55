"""Clients of Redis: one way to open each kind.

The asyncio client is safe against cancellation: a command, script or pipeline that has begun ends on its connection
although the task that awaits it is cancelled. Otherwise redis-py gives the connection up in mid-reply, or loses the
cancellation while it connects. Callers need no `asyncio.shield` of their own around a single command.
"""

# ruff: noqa: ANN401 - the signatures are those of redis-py
from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import redis
import redis.asyncio
import structlog
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.client import Pipeline, PubSub
from redis.commands.core import AsyncScript
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from mien.contract.errors import Misconfigured, QueueUnavailable

log = structlog.get_logger()

Reply = TypeVar("Reply")

# Replies have RESP2's shapes, which redis-py gives for all servers alike.
_PROTOCOL = 2
_TIMEOUT_S = 10

# Number of connections that a gateway's commands share. Each subscription holds a connection for as long as it lasts,
# so they have a pool of their own, where they cannot starve the commands; they are limited where they are opened.
_COMMANDS_AT_ONCE = 50
_UNBOUNDED = 1 << 16

_PASSING = ("BUSY", "MASTERDOWN", "CLUSTERDOWN", "UNBLOCKED", "LOADING")


class _LeavesReplicas:
    """A connection that is made anew after its server turned out to be a replica: its name may be another's by now."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except ResponseError as error:
            if _is_replicas(error):
                cast("Any", self).mark_for_reconnect()
            raise


class _LeavesReplicasAsync:
    """The same for asyncio."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        except ResponseError as error:
            if _is_replicas(error):
                cast("Any", self).mark_for_reconnect()
            raise


class _ShieldedScript(AsyncScript):
    """A Lua script that is loaded and run to its end although its caller is cancelled."""

    async def __call__(self, *args: Any, **options: Any) -> Any:
        return await asyncio.shield(_begin(super().__call__(*args, **options)))


class _ShieldedPipeline(Pipeline):
    """A pipeline that is executed to its end although its caller is cancelled."""

    _execution: asyncio.Future[list[Any]] | None = None

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        self._execution = _begin(super().execute(raise_on_error))
        return await asyncio.shield(self._execution)

    async def __aexit__(self, *error: object) -> None:
        # An execution that continues returns the connection to the pool itself; until then it must not be reused.
        if self._execution is None or self._execution.done():
            await self.reset()  # type: ignore[no-untyped-call]


class _ShieldedPubSub(PubSub):
    """A subscription that is made and closed, but not awaited, to the end although its caller is cancelled."""

    _command: asyncio.Task[Any] | None = None

    async def execute_command(self, *args: Any) -> Any:
        self._command = _begin(super().execute_command(*args))
        return await asyncio.shield(self._command)

    async def aclose(self) -> None:
        await asyncio.shield(_begin(self._close()))

    async def _close(self) -> None:
        # An abandoned command may still take a connection from the pool, which nothing would return.
        if self._command is not None:
            await asyncio.wait([self._command])
        await super().aclose()  # type: ignore[no-untyped-call]


class _ShieldedRedis(redis.asyncio.Redis):
    """A client whose commands are executed to their end although their caller is cancelled."""

    def __init__(self, commands: ConnectionPool, subscriptions: ConnectionPool) -> None:
        super().__init__(connection_pool=commands)
        self._subscriptions = subscriptions

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await asyncio.shield(_begin(super().execute_command(*args, **options)))  # type: ignore[no-untyped-call]

    def register_script(self, script: Any) -> AsyncScript:  # type: ignore[override]
        return _ShieldedScript(self, script)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _ShieldedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    def pubsub(self, **options: Any) -> PubSub:
        return _ShieldedPubSub(self._subscriptions, event_dispatcher=self._event_dispatcher, **options)

    async def aclose(self, close_connection_pool: bool | None = True) -> None:
        await super().aclose(close_connection_pool)
        await self._subscriptions.aclose()


def connect(url: str, password_file: Path | None = None, *, text: bool = True) -> redis.Redis:
    """Return a client for threads; nothing is sent until its first command. Replies are text, or bytes if not `text`.

    Raises:
        Misconfigured: the password cannot be read.
    """
    how: dict[str, Any] = _password(password_file)
    client = redis.Redis.from_url(
        url,
        protocol=_PROTOCOL,
        socket_timeout=_TIMEOUT_S,
        decode_responses=text,
        max_connections=_UNBOUNDED,  # one for each thread that has a command under way
        **how,
    )
    _mix_in(_LeavesReplicas, client.connection_pool)
    return client


def connect_async(url: str, password_file: Path | None = None) -> redis.asyncio.Redis:
    """Return a client for asyncio; nothing is sent until its first command.

    Raises:
        Misconfigured: the password cannot be read.
    """
    how: dict[str, Any] = {
        "protocol": _PROTOCOL,
        "socket_timeout": _TIMEOUT_S,
        "decode_responses": True,
        **_password(password_file),
    }
    commands = BlockingConnectionPool.from_url(url, max_connections=_COMMANDS_AT_ONCE, timeout=_TIMEOUT_S, **how)
    subscriptions = ConnectionPool.from_url(url, max_connections=_UNBOUNDED, **how)
    for pool in (commands, subscriptions):
        _mix_in(_LeavesReplicasAsync, pool)
    return _ShieldedRedis(commands, subscriptions)


def is_outage(error: RedisError | OSError) -> bool:
    """Return whether a failure is temporary; other refusals of a command are defects of this code."""
    if not isinstance(error, ResponseError):
        return True
    return _refuses_writes(error) is not None or str(error).startswith(_PASSING)


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Translate failures of Redis into `QueueUnavailable`; a refused command is a defect and is raised unchanged."""
    try:
        yield
    except (RedisError, OSError) as error:
        # A server that is full or has become a replica refuses commands without a defect of this code.
        if (reason := _refuses_writes(error)) is not None:
            log.warning("queue refuses writes", error=str(error))
            raise QueueUnavailable(
                f"The queue accepts no writes at the moment: {reason}. Try again later.", 30
            ) from error
        if not is_outage(error):
            raise
        log.warning("queue fails", error=str(error))
        raise QueueUnavailable("The queue does not answer at the moment. Try again shortly.", 5) from error


def nothing_changed(error: QueueUnavailable) -> bool:
    """Return whether a write failed because Redis refused it; otherwise it may have been executed."""
    return isinstance(error.__cause__, Exception) and _refuses_writes(error.__cause__) is not None


_REFUSALS = {
    "OOM": "its memory is full",
    "READONLY": "its server is a read-only replica",
    "MISCONF": "its server cannot write to its disk",
    "NOREPLICAS": "its server's replicas are gone",
}
# Redis before 7 names the cause within the error of a script.
_REFUSAL = re.compile(r"(?:^|-)(OOM|READONLY|MISCONF|NOREPLICAS)\b")


def _refuses_writes(error: Exception) -> str | None:
    """Return why a server refuses all writes, or None for another error."""
    if isinstance(error, OutOfMemoryError):
        return _REFUSALS["OOM"]
    if isinstance(error, ReadOnlyError):
        return _REFUSALS["READONLY"]
    found = _REFUSAL.search(str(error)) if isinstance(error, ResponseError) else None
    return None if found is None else _REFUSALS[found[1]]


def _is_replicas(error: ResponseError) -> bool:
    """Return whether an error says that the server is a replica: one for reading, or one that lost its primary."""
    return _refuses_writes(error) == _REFUSALS["READONLY"] or str(error).startswith("MASTERDOWN")


def _mix_in(kind: type, pool: Any) -> None:
    """Add a class to a pool's connections, whose class depends on the URL."""
    pool.connection_class = type(kind.__name__, (kind, pool.connection_class), {})


def _password(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        return {"password": file.read_text(encoding="utf-8").strip()}
    except OSError as error:
        raise Misconfigured(f"The password in {file} cannot be read: {error.strerror}.") from error


def _begin(work: Coroutine[Any, Any, Reply]) -> asyncio.Task[Reply]:
    """Start a task whose error may remain unread, because its caller may be cancelled."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task
