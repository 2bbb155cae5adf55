"""The API keys that are valid, in Redis: of each its digest, and what its owner called it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import redis.asyncio
from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError

from mien.contract.api_keys import new_api_key, parse_api_key
from mien.contract.errors import QueueUnavailable
from service.queue import keys
from service.queue.clock import now_ms


class Entry(BaseModel):
    """What is kept of a key."""

    digest: str
    name: str
    created_ms: int

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.created_ms / 1000, UTC)


class KeyRing:
    """The operator's end: makes and revokes keys."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def create(self, name: str) -> str:
        """Return the text of a new key, which can be had this once."""
        while True:
            text = new_api_key()
            key = parse_api_key(text)
            entry = Entry(digest=key.digest, name=name, created_ms=now_ms())
            if self._redis.hsetnx(keys.API_KEYS, key.id, entry.model_dump_json()):
                return text

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield the valid keys by their ids, the oldest first."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.API_KEYS))
        parsed = ((key_id, Entry.model_validate_json(text)) for key_id, text in found.items())
        yield from sorted(parsed, key=lambda pair: pair[1].created_ms)

    def revoke(self, key_id: str) -> bool:
        """Make a key worthless from now on; False where there is none of this id."""
        return bool(self._redis.hdel(keys.API_KEYS, key_id))


class KeyDigests:
    """Look up the digests of valid keys: the gateway's end."""

    def __init__(self, redis: redis.asyncio.Redis) -> None:
        self._redis = redis

    async def find(self, key_id: str) -> str | None:
        """Return the digest of a valid key by its id.

        Raises:
            QueueUnavailable: Redis does not answer.
        """
        try:
            text = await self._redis.hget(keys.API_KEYS, key_id)
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The queue does not answer at the moment. Try again shortly.", 5) from error
        return None if text is None else Entry.model_validate_json(text).digest
