"""Leases of a gateway: what it holds for a request becomes free soon after the gateway dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from mien.contract.errors import QueueUnavailable

log = structlog.get_logger()

# Like a worker's lease by default: what a killed gateway held is free after this time.
LEASE_S = 30.0


async def keep_renewing(renew: Callable[[], Awaitable[None]]) -> None:
    """Renew a lease of `LEASE_S` seconds periodically, until cancelled."""
    while True:
        await asyncio.sleep(LEASE_S / 4)
        try:
            await renew()
        except QueueUnavailable as error:
            log.warning("lease not renewed", reason=error.detail)
