"""Connections to Redis: one way to open each kind."""

from __future__ import annotations

import redis
import redis.asyncio

# Answers have RESP2's shapes, which redis-py gives for every server alike.
_PROTOCOL = 2
_TIMEOUT_S = 10


def connect(url: str) -> redis.Redis:
    """Return a client for threads; nothing is sent until its first command."""
    return redis.Redis.from_url(url, protocol=_PROTOCOL, socket_timeout=_TIMEOUT_S, decode_responses=True)


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return a client for asyncio; nothing is sent until its first command."""
    return redis.asyncio.Redis.from_url(url, protocol=_PROTOCOL, socket_timeout=_TIMEOUT_S, decode_responses=True)
