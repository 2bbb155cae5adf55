"""Valid API keys in Redis: the digest, the name and the scopes of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import redis.asyncio
from pydantic import BaseModel
from redis import Redis

from mien.contract.api_keys import Scope, new_api_key, parse_api_key
from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors


class KeyEntry(BaseModel):
    """A valid key as Redis holds it.

    Attributes:
        scopes: what it allows; keys made before there were scopes allow all.
        owner: id of the key whose analyses it works with; "" for its own.
    """

    digest: str
    name: str
    created_ms: int
    scopes: tuple[Scope, ...] = tuple(Scope)
    owner: str = ""

    @property
    def created_at(self) -> datetime:
        """Time of its creation."""
        return datetime.fromtimestamp(self.created_ms / 1000, UTC)


class KeyRing:
    """Create and revoke keys: the operator's end."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def create(self, name: str, scopes: Iterable[Scope] = (Scope.ANALYZE, Scope.READ), owner: str = "") -> str:
        """Create a key and return its text, which is stored nowhere.

        Raises:
            KeyError: no key has the id `owner`.
        """
        if owner:
            text = cast("str | None", self._redis.hget(keys.API_KEYS, owner))
            if text is None:
                raise KeyError(owner)
            # The second rotation names a key that works with the first one's analyses.
            owner = KeyEntry.model_validate_json(text).owner or owner
        while True:
            text = new_api_key()
            key = parse_api_key(text)
            entry = KeyEntry(digest=key.digest, name=name, created_ms=now_ms(), scopes=tuple(scopes), owner=owner)
            if self._redis.hsetnx(keys.API_KEYS, key.id, entry.model_dump_json()):
                return text

    def entries(self) -> Iterator[tuple[str, KeyEntry]]:
        """Yield the valid keys by their ids, the oldest first."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.API_KEYS))
        parsed = ((key_id, KeyEntry.model_validate_json(text)) for key_id, text in found.items())
        yield from sorted(parsed, key=lambda pair: pair[1].created_ms)

    def revoke(self, key_id: str) -> bool:
        """Revoke a key; return False if there is none with this id."""
        return bool(self._redis.hdel(keys.API_KEYS, key_id))


class ValidKeys:
    """Look up the keys that are valid: the gateway's end. Every method may raise `QueueUnavailable`."""

    def __init__(self, redis: redis.asyncio.Redis) -> None:
        self._redis = redis

    async def find(self, key_id: str) -> KeyEntry | None:
        """Return a valid key by its id."""
        async with translate_errors():
            text = await self._redis.hget(keys.API_KEYS, key_id)
        return None if text is None else KeyEntry.model_validate_json(text)

    async def valid(self, key_ids: Sequence[str]) -> set[str]:
        """Return those of these ids whose keys are valid."""
        if not key_ids:
            return set()
        async with translate_errors():
            found = await self._redis.hmget(keys.API_KEYS, key_ids)
        return {key_id for key_id, text in zip(key_ids, found, strict=True) if text is not None}

    async def count_wrong(self, address: str) -> tuple[int, int]:
        """Count a wrong key from an address; return how many there were in this minute, and its seconds left."""
        key = keys.wrong_keys(address)
        async with translate_errors(), self._redis.pipeline() as pipe:
            pipe.set(key, 0, ex=keys.WRONG_KEYS_TTL_S, nx=True)
            pipe.incr(key)
            pipe.ttl(key)
            _, count, left_s = await pipe.execute()
        return int(count), max(1, int(left_s))
