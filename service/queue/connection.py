"""Connections to Redis: one way to open each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import redis
import redis.asyncio

Answer = TypeVar("Answer")

# Answers have RESP2's shapes, which redis-py gives for every server alike.
_PROTOCOL = 2
_TIMEOUT_S = 10


def connect(url: str, *, text: bool = True) -> redis.Redis:
    """Return a client for threads; nothing is sent until its first command. Answers are text, or else bytes."""
    return redis.Redis.from_url(url, protocol=_PROTOCOL, socket_timeout=_TIMEOUT_S, decode_responses=text)


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return a client for asyncio; nothing is sent until its first command."""
    return redis.asyncio.Redis.from_url(url, protocol=_PROTOCOL, socket_timeout=_TIMEOUT_S, decode_responses=True)


async def uncut(work: Awaitable[Answer]) -> Answer:
    """Return what `work` gives, and let it end although the task is cancelled.

    A command to Redis that is cut off may leave its answer to whoever uses the connection next.
    """
    return await asyncio.shield(asyncio.ensure_future(work))
