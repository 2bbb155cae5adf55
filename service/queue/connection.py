"""Connections to Redis: one way to open each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import redis
import redis.asyncio

from mien.contract.errors import Misconfigured

Answer = TypeVar("Answer")

# Answers have RESP2's shapes, which redis-py gives for every server alike.
_PROTOCOL = 2
_TIMEOUT_S = 10


def connect(url: str, password_file: Path | None = None, *, text: bool = True) -> redis.Redis:
    """Return a client for threads; nothing is sent until its first command. Answers are text, or else bytes.

    Raises:
        Misconfigured: the password cannot be read.
    """
    how: dict[str, Any] = _password(password_file)
    return redis.Redis.from_url(url, protocol=_PROTOCOL, socket_timeout=_TIMEOUT_S, decode_responses=text, **how)


def connect_async(url: str, password_file: Path | None = None) -> redis.asyncio.Redis:
    """Return a client for asyncio; nothing is sent until its first command.

    Raises:
        Misconfigured: the password cannot be read.
    """
    how: dict[str, Any] = _password(password_file)
    return redis.asyncio.Redis.from_url(
        url, protocol=_PROTOCOL, socket_timeout=_TIMEOUT_S, decode_responses=True, **how
    )


def _password(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        return {"password": file.read_text(encoding="utf-8").strip()}
    except OSError as error:
        raise Misconfigured(f"The password in {file} cannot be read: {error.strerror}.") from error


async def uncut(work: Awaitable[Answer]) -> Answer:
    """Return what `work` gives, and let it end although the task is cancelled.

    A command to Redis that is cut off may leave its answer to whoever uses the connection next.
    """
    return await asyncio.shield(asyncio.ensure_future(work))
