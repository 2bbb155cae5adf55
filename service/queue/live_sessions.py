"""Live analyses between gateway and worker: claimed from a list, then frames and updates by publish/subscribe.

If one side disconnects, the session ends: the other side notices that its messages have no subscriber. It is not
retried, because frames are not stored.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal, cast

import redis.asyncio
from pydantic import BaseModel, ValidationError
from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

from mien.contract.errors import SessionLost
from mien.contract.live_messages import END, LiveFrame, LiveUpdate, pack
from mien.contract.options import LiveOptions
from service.queue import keys
from service.queue.clock import now_ms
from service.queue.connection import translate_errors
from service.queue.scripts import script

_LOOK_S = 0.5


class LiveSession(BaseModel):
    """A live analysis that waits for a worker."""

    id: str
    options: LiveOptions


class LiveSessionQueue:
    """Claim and join live sessions: the worker's end.

    Args:
        redis: gives bytes; any thread may use it.
        reader: likewise, for the one thread that claims.
    """

    def __init__(self, redis: Redis, reader: Redis) -> None:
        self._redis = redis
        self._reader = reader

    def claim(self, wait_s: float) -> LiveSession | Literal["newer"] | None:
        """Wait for a session; no other worker gets it.

        Returns "newer" if the session has options of a newer release, and returns it to the list for another worker.
        """
        found = cast("Any", self._reader.blpop([keys.SESSIONS], timeout=wait_s))
        try:
            return LiveSession.model_validate_json(found[1]) if found else None
        except ValidationError:
            self._redis.lpush(keys.SESSIONS, found[1])
            return "newer"

    def give_back(self, session: LiveSession) -> None:
        """Return a session to the front of the list, for another worker to claim."""
        self._redis.lpush(keys.SESSIONS, session.model_dump_json(exclude_unset=True))

    @contextmanager
    def join(self, session: LiveSession) -> Iterator[LiveWorkerChannel]:
        """Subscribe to a session's frames for the duration of the block."""
        listener = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        with contextlib.closing(listener):
            listener.subscribe(keys.frames(session.id))
            listener.get_message(timeout=_LOOK_S)
            yield LiveWorkerChannel(self._redis, listener, session.id)


class LiveWorkerChannel:
    """Receive the frames of one live session and send updates: the worker's end."""

    def __init__(self, redis: Redis, listener: PubSub, session: str) -> None:
        self._redis = redis
        self._listener = listener
        self._session = session

    def receive(self, wait_s: float) -> bytes | None:
        """Wait for a packed frame or `END`; None where nothing comes."""
        message = self._listener.get_message(timeout=wait_s)
        return None if message is None else bytes(message["data"])

    def send(self, update: LiveUpdate) -> bool:
        """Send an update to the gateway; return False if it does not listen any more."""
        return bool(self._redis.publish(keys.updates(self._session), update.model_dump_json(exclude_defaults=True)))


class LiveSessions:
    """Open live sessions: the gateway's end."""

    def __init__(self, redis: redis.asyncio.Redis) -> None:
        self._redis = redis
        self._take_place = redis.register_script(script("open_session"))

    async def take_place(self, owner: str, session_id: str, most: int, lease_s: float) -> bool:
        """Take one of an owner's `most` places for `lease_s` seconds; return False if all are taken.

        Raises:
            QueueUnavailable: Redis does not answer.
        """
        now = now_ms()
        async with translate_errors():
            taken = await self._take_place(
                keys=[keys.sessions_of(owner)], args=[now, now + int(lease_s * 1000), session_id, most]
            )
        return bool(taken)

    async def renew_place(self, owner: str, session_id: str, lease_s: float) -> None:
        """Hold a place for `lease_s` seconds from now."""
        until = now_ms() + int(lease_s * 1000)
        async with translate_errors(), self._redis.pipeline() as pipe:
            pipe.zadd(keys.sessions_of(owner), {session_id: until})
            pipe.pexpireat(keys.sessions_of(owner), until)
            await pipe.execute()

    async def leave_place(self, owner: str, session_id: str) -> None:
        """Give a place back."""
        async with translate_errors():
            await self._redis.zrem(keys.sessions_of(owner), session_id)

    @asynccontextmanager
    async def open(self, session: LiveSession) -> AsyncIterator[LiveGatewayChannel]:
        """Offer a session to the workers and subscribe to its updates for the duration of the block.

        Raises:
            QueueUnavailable: Redis does not answer.
        """
        listener = self._redis.pubsub(ignore_subscribe_messages=True)
        offered = session.model_dump_json(exclude_unset=True)
        channel: LiveGatewayChannel | None = None
        try:
            async with translate_errors():
                await listener.subscribe(keys.updates(session.id))
                await self._redis.rpush(keys.SESSIONS, offered)
            channel = LiveGatewayChannel(self._redis, listener, session)
            yield channel
        finally:
            with contextlib.suppress(RedisError):  # so that no worker takes it now, or has to find out by waiting
                await self._redis.lrem(keys.SESSIONS, 1, offered)
                await self._redis.publish(keys.frames(session.id), END)
            if channel is not None:
                await channel.close()
            await listener.aclose()  # type: ignore[no-untyped-call]


class LiveGatewayChannel:
    """Send the frames of one live session and receive updates: the gateway's end.

    Every method but `close` raises `QueueUnavailable` if Redis does not answer.
    """

    def __init__(self, redis: redis.asyncio.Redis, listener: redis.asyncio.client.PubSub, session: LiveSession) -> None:
        self._redis = redis
        self._listener = listener
        self._session = session
        self._reading: asyncio.Future[Any] | None = None

    async def receive(self) -> LiveUpdate | None:
        """Wait a moment for an update; None where none comes."""
        self._reading = asyncio.ensure_future(self._listener.get_message(timeout=_LOOK_S))
        async with translate_errors():
            message = await asyncio.shield(self._reading)
        return None if message is None else LiveUpdate.model_validate_json(message["data"])

    async def close(self) -> None:
        """Wait for the end of an abandoned read: the connection must not be reused before."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def send(self, frame: LiveFrame) -> None:
        """Send a frame.

        Raises:
            SessionLost: no worker receives it.
        """
        await self._publish(pack(frame))

    async def end(self) -> None:
        """Send the end of the frames.

        Raises:
            SessionLost: no worker listens.
        """
        await self._publish(END)

    async def withdraw(self) -> bool:
        """Withdraw the session; return False if a worker has it already."""
        offered = self._session.model_dump_json(exclude_unset=True)
        async with translate_errors():
            return bool(await self._redis.lrem(keys.SESSIONS, 1, offered))

    async def has_worker(self) -> bool:
        """Return whether a worker listens: one that has sent an update does until it stops."""
        async with translate_errors():
            [(_, listening)] = await self._redis.pubsub_numsub(keys.frames(self._session.id))
        return bool(listening)

    async def _publish(self, data: bytes) -> None:
        async with translate_errors():
            received = await self._redis.publish(keys.frames(self._session.id), data)
        if not received:
            raise SessionLost("The worker of this live analysis stopped. Start another one.", 1)
