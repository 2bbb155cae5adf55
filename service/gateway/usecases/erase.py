"""Erase what ended and deleted analyses leave behind, in the store and in Redis' file, whichever process dies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from mien.contract.errors import Unavailable
from service.queue.erasure import Erasure
from service.storage.blobs import RESULTS, UPLOADS, Blobs

log = structlog.get_logger()

_EVERY_S = 5.0


@dataclass(frozen=True)
class Erase:
    """Erase what is due. Every gateway does, because erasing twice is harmless.

    Attributes:
        rewrite_s: seconds between two rewrites of Redis' append-only file; 0 for none.
    """

    erasure: Erasure
    blobs: Blobs
    rewrite_s: int

    async def every(self) -> None:
        """Erase every few seconds, until cancelled."""
        while True:
            try:
                await self()
            except Unavailable as error:
                log.warning("erasure put off", reason=error.detail)
            await asyncio.sleep(min(_EVERY_S, self.rewrite_s or _EVERY_S))

    async def __call__(self) -> None:
        """Erase all that is due."""
        while due := await self.erasure.due():
            blobs = [name for name in due if name.startswith((f"{UPLOADS}/", f"{RESULTS}/"))]
            await asyncio.to_thread(self.blobs.delete, blobs)
            await self.erasure.done(due)
        if self.rewrite_s and await self.erasure.rewrite_file(self.rewrite_s):
            log.info("Redis rewrites its file")
