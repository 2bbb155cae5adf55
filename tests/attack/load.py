"""A gateway under three times its load: `make load`, or `python -m tests.attack.load --seconds 600`.

A gateway, a private Redis and a stand-in worker that ends jobs on request run here: this measures the APIs and the
queue, not decoding. Three uploads come for each job that is ended, and with each upload a request for `/healthz`, which
does nothing, to measure the delay of the machine and the client.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np

from tests.contract.helpers import Queue, fail
from tests.processes import HANG_S, Process, gateway, private_redis, wait_for

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(20_000)
ASYNC = {"Prefer": "respond-async"}
REFUSED = (429, 503)
TRIVIAL = 200
_ALL = 100_000  # more jobs than there are
MOST_REFUSAL_S = 0.05
MOST_GROWTH_BYTES = 20_000_000


@dataclass
class Site:
    """A running gateway, its address, and when its stand-in worker ended each job, for which `may_end` is released."""

    process: Process
    url: str
    ended: dict[str, float]
    may_end: threading.Semaphore


@dataclass
class Outcome:
    """The outcome of a run.

    Attributes:
        took_s: the seconds that each answer took, by status; 200 is that of `/healthz`.
        waits_s: the seconds from the sending of each accepted job to its end.
        grown_bytes: growth of the gateway's memory.
    """

    took_s: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    waits_s: list[float] = field(default_factory=list)
    grown_bytes: int = 0

    @property
    def wrong(self) -> list[str]:
        """The faults that do not depend on the machine's speed."""
        expected = {TRIVIAL, 202, *REFUSED}
        wrong = [f"{status}: {len(took)} answers" for status, took in self.took_s.items() if status not in expected]
        if not any(status in self.took_s for status in REFUSED):
            wrong.append("nothing was refused at three times the capacity")
        if self.grown_bytes > MOST_GROWTH_BYTES:
            wrong.append(f"the gateway's memory grew by {self.grown_bytes / 1e6:.0f} MB")
        return wrong


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[Site]:
    """Run a gateway and a worker that ends a job each time that it is released."""
    stopped = threading.Event()
    with private_redis() as redis_url, gateway(folder, redis_url, **settings) as (process, url):
        site = Site(process, url, {}, threading.Semaphore(0))

        def work() -> None:
            queue = Queue.at(redis_url)
            worker = queue.worker()
            while not stopped.is_set():
                for entry in worker.claim(1, wait_s=0.1):
                    attempt = worker.begin(entry, alone=True)
                    if attempt is None or isinstance(attempt, str):
                        continue
                    site.may_end.acquire()
                    fail(worker, attempt)
                    (folder / "blobs" / attempt.upload).unlink(missing_ok=True)
                    site.ended[attempt.job_id] = time.perf_counter()
            queue.close()

        with ThreadPoolExecutor(1) as threads:
            working = threads.submit(work)
            try:
                yield site
            finally:
                stopped.set()
                site.may_end.release(_ALL)
        working.result()


def load(folder: Path, *, seconds: float, per_s: float = 30, most_jobs: int = 20) -> Outcome:
    """Send `per_s` uploads a second, three for each job that ends, and return the outcome."""
    outcome = Outcome()
    with running(folder, queue_max_jobs=most_jobs) as site:
        asyncio.run(_at_rate(site, Outcome(), per_s, min(seconds, 2)))  # warm-up
        before = site.process.rss_bytes()
        accepted = asyncio.run(_at_rate(site, outcome, per_s, seconds))
        site.may_end.release(_ALL)
        wait_for(lambda: accepted.keys() <= site.ended.keys())
        outcome.waits_s = [site.ended[job_id] - at for job_id, at in accepted.items()]
        outcome.grown_bytes = site.process.rss_bytes() - before
    return outcome


async def _at_rate(site: Site, outcome: Outcome, per_s: float, seconds: float) -> dict[str, float]:
    """Send uploads and requests for `/healthz` at a rate; return when each accepted job was sent."""
    accepted: dict[str, float] = {}

    async def send(http: httpx2.AsyncClient) -> None:
        began = time.perf_counter()
        answer = await http.post("/analyze", content=VIDEO, headers=ASYNC)
        told = answer.json()
        # The worker ends each job as failed, some before their client hears that they were accepted.
        job_id = told.get("id") or told.get("analysis_id")
        outcome.took_s[202 if job_id else answer.status_code].append(time.perf_counter() - began)
        if job_id:
            accepted[job_id] = began

    async def ask(http: httpx2.AsyncClient) -> None:
        began = time.perf_counter()
        # A refused upload ends its connection, so this request does, too.
        answer = await http.get("/healthz", headers={"Connection": "close"})
        outcome.took_s[answer.status_code].append(time.perf_counter() - began)

    async with httpx2.AsyncClient(base_url=site.url, timeout=HANG_S) as http, asyncio.TaskGroup() as group:
        for number in range(int(per_s * seconds)):
            group.create_task(send(http))
            if number % 3 == 0:
                site.may_end.release()
            await asyncio.sleep(0.5 / per_s)
            group.create_task(ask(http))
            await asyncio.sleep(0.5 / per_s)
    return accepted


def p99(took_s: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return float(np.quantile(took_s, 0.99))


def too_slow(took_s: Mapping[int, Sequence[float]]) -> list[str]:
    """Return whether refusals took much longer, at the 99th percentile, than a request that does nothing."""
    refused = [took for status in REFUSED for took in took_s.get(status, ())]
    if not refused:
        return []
    longer_s = p99(refused) - p99(took_s[TRIVIAL])
    if longer_s <= MOST_REFUSAL_S:
        return []
    return [f"refusals took {1000 * longer_s:.0f} ms longer at p99 than a request that does nothing"]


def main() -> int:
    """Run for a minute, or for `--seconds`; print a table; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.load")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--per-s", type=float, default=30, help="uploads in a second")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-load-") as folder:
        outcome = load(Path(folder), seconds=told.seconds, per_s=told.per_s)
    print(f"{'answer':<14}{'count':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for status, took in sorted(outcome.took_s.items()):
        name = "/healthz" if status == TRIVIAL else f"{status}"
        print(f"{name:<14}{len(took):>8}{1000 * float(np.median(took)):>9.1f}{1000 * p99(took):>9.1f}")
    print(f"accepted jobs ended after {max(outcome.waits_s):.1f} s at most")
    print(f"the gateway's memory grew by {outcome.grown_bytes / 1e6:.0f} MB")
    wrong = outcome.wrong + too_slow(outcome.took_s)
    print("\n".join(wrong) or "as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
