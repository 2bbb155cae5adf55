"""Analyse live frames: few are in flight, and the oldest are dropped where they arrive faster than they are taken."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

from mien.contract.errors import (
    AnswerNotRead,
    BadTime,
    FramesStalled,
    NoWorker,
    QueueUnavailable,
    QuotaReached,
    SessionLost,
    from_problem,
)
from mien.contract.live_messages import LONGEST_GAP_S, LiveFrame, LiveScored
from mien.contract.options import LiveOptions
from service.gateway.metrics import REFUSALS
from service.gateway.usecases.authenticate import Owner
from service.gateway.usecases.lease import LEASE_S, keep_renewing
from service.queue.live_sessions import LiveGatewayChannel, LiveSession, LiveSessions

_CLAIMED_WITHIN_S = 5.0
# Frames that wait for credits: enough that one is there when a credit comes, and that it is recent.
_MOST_WAITING = 2
_MOST_UNREAD = 1000  # windows
_SILENT_S = 30.0
_PLACE_FREE_S = 5


class AnalyzeLive:
    """Start live analyses, and relay their frames and windows."""

    def __init__(self, sessions: LiveSessions, most_per_key: int) -> None:
        self._sessions = sessions
        self._most_per_key = most_per_key

    async def __call__(
        self, owner: Owner, options: LiveOptions, frames: AsyncIterator[LiveFrame]
    ) -> AsyncGenerator[LiveScored]:
        """Yield windows as they are scored, until the frames have ended and all of them are analysed.

        Args:
            owner: the owner of the analysis.
            options: the options of the analysis.
            frames: the client's frames; they are read while windows are scored, and not closed.

        Raises:
            InvalidRequest: a time stamp does not follow the one before, no frame comes in time, windows are not read,
                or no model has a requested task.
            BadMedia: a frame cannot be analysed.
            QuotaReached: the owner has the maximum number of live analyses.
            Unavailable: no worker is free, the worker stopped, or Redis does not answer.
        """
        session = LiveSession(id=secrets.token_urlsafe(16), options=options)
        async with self._place(owner, session.id), self._sessions.open(session) as channel:
            relay = _Relay(channel)
            await relay.claimed()
            tasks = [asyncio.create_task(relay.carry(frames)), asyncio.create_task(relay.listen())]
            try:
                async for scored in relay.windows():
                    yield scored
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def _place(self, owner: Owner, session_id: str) -> AsyncIterator[None]:
        """Hold one of an API key's places; without a key, the number of the workers' places is the only limit."""
        key = owner.key_id
        if not key:
            yield
            return
        if not await self._sessions.take_place(key, session_id, self._most_per_key, LEASE_S):
            REFUSALS.labels("full_key_live").inc()
            raise QuotaReached(
                f"This API key has the maximum number of live analyses. Try again in {_PLACE_FREE_S} s.",
                _PLACE_FREE_S,
            )
        keeper = asyncio.create_task(keep_renewing(lambda: self._sessions.renew_place(key, session_id, LEASE_S)))
        try:
            yield
        finally:
            keeper.cancel()
            with suppress(QueueUnavailable):  # then the place becomes free when its lease ends
                await self._sessions.leave_place(key, session_id)


class _Relay:
    """One live analysis: frames from the client to the worker, updates back."""

    def __init__(self, channel: LiveGatewayChannel) -> None:
        self._channel = channel
        self._credits = 0
        self._waiting: deque[LiveFrame] = deque()
        self._all_came = False
        self._ended_sent = False
        self._dropped = 0
        self._sending = asyncio.Lock()
        self._found: asyncio.Queue[LiveScored | Exception | None] = asyncio.Queue(_MOST_UNREAD)

    async def claimed(self) -> None:
        """Wait until a worker has taken the session.

        Raises:
            NoWorker: none does.
        """
        until = time.monotonic() + _CLAIMED_WITHIN_S
        while not self._credits:
            update = await self._channel.receive()
            if update is not None and update.problem is not None:
                raise from_problem(update.problem)
            if update is not None:
                self._credits += update.credits
            elif time.monotonic() > until and await self._channel.withdraw():
                raise NoWorker("No worker is free for a live analysis. Try again in a moment.", 5)
            elif time.monotonic() > until + _CLAIMED_WITHIN_S:
                raise SessionLost("The worker of this live analysis stopped. Start another one.", 1)

    async def windows(self) -> AsyncGenerator[LiveScored]:
        """Yield the windows that `listen` receives."""
        while (found := await self._found.get()) is not None:
            if isinstance(found, Exception):
                raise found
            yield found

    async def carry(self, frames: AsyncIterator[LiveFrame]) -> None:
        """Read frames from the client and send those for which there are credits."""
        try:
            last_s: float | None = None
            while (frame := await self._next(frames)) is not None:
                if not math.isfinite(frame.time_s):
                    raise BadTime("A frame's time must be a finite number of seconds.")
                if last_s is not None and not last_s < frame.time_s <= last_s + LONGEST_GAP_S:
                    raise BadTime(
                        f"The frame's time, {frame.time_s:g} s, must be later than the previous frame's "
                        f"({last_s:g} s), by {LONGEST_GAP_S:g} s at most."
                    )
                last_s = frame.time_s
                self._waiting.append(frame)
                if len(self._waiting) > _MOST_WAITING:
                    self._waiting.popleft()
                    self._dropped += 1
                await self._flush()
            self._all_came = True
            await self._flush()
        except Exception as error:
            self._put(error)

    async def _next(self, frames: AsyncIterator[LiveFrame]) -> LiveFrame | None:
        try:
            async with asyncio.timeout(LONGEST_GAP_S):
                return await anext(frames, None)
        except TimeoutError as error:
            raise FramesStalled(f"No frame came for {LONGEST_GAP_S:g} s. Start another live analysis.") from error

    async def listen(self) -> None:
        """Receive the worker's updates."""
        try:
            heard, has_worker = time.monotonic(), True
            while True:
                update = await self._channel.receive()
                now = time.monotonic()
                if update is None:
                    if not has_worker:
                        raise SessionLost("The worker of this live analysis stopped. Start another one.", 1)
                    if now - heard > _SILENT_S:
                        raise SessionLost("The worker of this live analysis does not answer. Start another one.", 1)
                    # Without credits no frame is sent that would tell. What a worker sent before it left comes next.
                    has_worker = await self._channel.has_worker()
                    continue
                heard, has_worker = now, True
                if update.problem is not None:
                    raise from_problem(update.problem)
                if update.window is not None:
                    self._put(LiveScored(window=update.window, dropped_frames=self._dropped))
                if update.ended:
                    self._put(None)
                    return
                self._credits += update.credits
                await self._flush()
        except Exception as error:
            self._put(error)

    async def _flush(self) -> None:
        async with self._sending:
            while self._waiting and self._credits:
                self._credits -= 1
                await self._channel.send(self._waiting.popleft())
            if self._all_came and not self._waiting and not self._ended_sent:
                self._ended_sent = True
                await self._channel.end()

    def _put(self, found: LiveScored | Exception | None) -> None:
        try:
            self._found.put_nowait(found)
        except asyncio.QueueFull:
            # Unread windows are dropped: a client that reads again learns why the analysis ended.
            while not self._found.empty():
                self._found.get_nowait()
            with suppress(asyncio.QueueFull):
                unread = AnswerNotRead("The scores were not read for too long. Start another live analysis.")
                self._found.put_nowait(unread)
