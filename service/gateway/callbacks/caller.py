"""Send the callbacks that are due and retry those that fail."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import httpx2
import structlog

from mien.contract.errors import InvalidOption, QueueUnavailable
from service.gateway.callbacks.addresses import NotPublic, parse_callback_url, resolve
from service.gateway.callbacks.signature import headers
from service.gateway.metrics import CALLBACKS
from service.gateway.usecases.authenticate import public_id
from service.gateway.usecases.lookup import summary
from service.queue.callbacks import Callbacks
from service.queue.jobs import Job, Jobs

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
_AT_ONCE = 8
_TIMEOUT_S = 15
# Pauses between attempts, as Standard Webhooks proposes; by default results are erased after one day.
PAUSES_S = (5, 300, 1800, 7200, 18_000, 36_000)
_GONE = 410


@dataclass(frozen=True)
class Caller:
    """Send callbacks while `run` runs. Several gateways may run one; each callback is leased by one at a time.

    Attributes:
        jobs: the jobs whose end is reported.
        callbacks: those that are due.
        secret: signs the callbacks.
        allow_private: whether callbacks may go to private addresses.
    """

    jobs: Jobs
    callbacks: Callbacks
    secret: bytes
    allow_private: bool

    async def run(self) -> None:
        """Send due callbacks, polling the queue every second."""
        free = asyncio.Semaphore(_AT_ONCE)
        resolver = ThreadPoolExecutor(_AT_ONCE, "resolver")
        try:
            async with asyncio.TaskGroup() as calls:
                while True:
                    await free.acquire()
                    job_id = await self._next()
                    if job_id is None:
                        free.release()
                        await asyncio.sleep(_LOOK_EVERY_S)
                        continue
                    call = calls.create_task(self._call(job_id, resolver))
                    call.add_done_callback(lambda _: free.release())
        finally:
            resolver.shutdown(wait=False, cancel_futures=True)

    async def _next(self) -> str | None:
        try:
            return await self.callbacks.take(2 * _TIMEOUT_S)
        except QueueUnavailable:
            return None

    async def _call(self, job_id: str, resolver: Executor) -> None:
        try:
            job = await self.jobs.find(job_id)
            if not isinstance(job, Job) or job.callback is None:
                await self.callbacks.end(job_id)
                return
            outcome = await self._send(job, job.callback, resolver)
            CALLBACKS.labels(outcome).inc()
            if outcome in ("delivered", "refused"):
                await self.callbacks.end(job_id)
            elif not await self.callbacks.postpone(job_id, PAUSES_S):
                log.warning("callback given up", job=job_id)
                CALLBACKS.labels("given_up").inc()
        except QueueUnavailable:
            log.warning("queue unreachable, a callback waits", job=job_id)  # its lease expires, then it is retried
        except Exception:  # a defect of one callback must not end the others
            log.exception("callback broke", job=job_id)

    async def _send(self, job: Job, url: str, resolver: Executor) -> str:
        """Send a callback; return its outcome: `delivered`, `refused` (no retry) or `failed` (retry)."""
        body = json.dumps(
            {
                "type": f"analysis.{job.state}",
                "timestamp": (job.ended_ms or 0) / 1000,
                "data": summary(job).model_dump(mode="json", exclude_unset=True),
            }
        ).encode()
        try:
            target = parse_callback_url(url, allow_private=self.allow_private)
            async with asyncio.timeout(_TIMEOUT_S):
                address = await resolve(target, resolver, allow_private=self.allow_private)
                status = await self._post(target, address, public_id(job.id), body)
        except (InvalidOption, NotPublic) as error:
            log.warning("callback refused", job=job.id, reason=str(error))
            return "refused"
        except Exception as error:  # a foreign host may cause any error, and other callbacks must continue
            log.info("callback failed", job=job.id, reason=type(error).__name__)
            return "failed"
        if status == _GONE:
            return "refused"
        if not 200 <= status < 300:
            log.info("callback failed", job=job.id, status=status)
            return "failed"
        return "delivered"

    async def _post(self, url: httpx2.URL, address: str, job_id: str, body: bytes) -> int:
        sent = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "Mien",
            **headers(self.secret, f"msg_{job_id}", int(time.time()), body),
        }
        # Check the certificate, whose names have no final dot, although the connection goes to the address.
        extensions = {"sni_hostname": url.raw_host.decode().rstrip(".")}
        async with (
            httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False) as http,
            http.stream(
                "POST", url.copy_with(host=address), content=body, headers=sent, extensions=extensions
            ) as answer,
        ):
            return answer.status_code  # the body is not read: it may be of any length
