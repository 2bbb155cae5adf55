"""A gateway under traffic: `make load` and `make soak`, or `python -m tests.attack.traffic load --seconds 600`.

A gateway, a private Redis and a stand-in worker that ends a job whenever it is told to run here: what is measured is
the doors and the queue, not decoding. `load` sends three uploads for each job that is ended: the gateway must refuse
the rest at once and end what it accepted. `soak` sends requests of all kinds: what the gateway holds must not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np

from service.queue.connection import connect
from tests.contract.helpers import Queue, fail
from tests.processes import HANG_S, Process, gateway, private_redis, wait_for

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(20_000)
ASYNC = {"Prefer": "respond-async"}
REFUSED = {429, 503}
ACCEPTED = {202, 422}  # which the worker has failed already
_ALL = 100_000  # more jobs than there are


@dataclass
class Site:
    """A running gateway, what it is called at, and the jobs that its stand-in worker has ended."""

    process: Process
    url: str
    redis_url: str
    ended: set[str]
    may_end: threading.Semaphore


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[Site]:
    """Run a gateway and a worker that ends a job each time that `may_end` is released."""
    stopped = threading.Event()
    with private_redis() as redis_url, gateway(folder, redis_url, **settings) as (process, url):
        site = Site(process, url, redis_url, set(), threading.Semaphore(0))

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
                    site.ended.add(attempt.job_id)
            queue.close()

        with ThreadPoolExecutor(1) as threads:
            working = threads.submit(work)
            try:
                yield site
            finally:
                stopped.set()
                site.may_end.release(_ALL)
        working.result()


def load(folder: Path, *, seconds: float, per_s: float = 30, most_jobs: int = 20) -> list[str]:
    """Send three uploads for each job that ends; print a table; return what went wrong."""
    with running(folder, queue_max_jobs=most_jobs) as site:
        before = site.process.rss_bytes()
        answers = asyncio.run(_at_rate(site, per_s, seconds))
        site.may_end.release(_ALL)
        wrong = [
            f"{status}: {len(found)} answers" for status, found in answers.items() if status not in ACCEPTED | REFUSED
        ]
        accepted = {job_id for status in ACCEPTED for _, job_id in answers[status]}
        wait_for(lambda: accepted <= site.ended)
        grown = site.process.rss_bytes() - before
    print(f"{'answer':<10}{'count':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for status, found in sorted(answers.items()):
        p50, p99 = (1000 * float(np.quantile([took for took, _ in found], share)) for share in (0.5, 0.99))
        print(f"{status:<10}{len(found):>8}{p50:>9.0f}{p99:>9.0f}")
    print(f"all {len(accepted)} accepted jobs ended; the gateway's memory grew by {grown / 1e6:.0f} MB")
    if not REFUSED & set(answers):
        wrong.append("nothing was refused at three times the capacity")
    return wrong


async def _at_rate(site: Site, per_s: float, seconds: float) -> dict[int, list[tuple[float, str]]]:
    answers: defaultdict[int, list[tuple[float, str]]] = defaultdict(list)

    async def send(http: httpx2.AsyncClient) -> None:
        began = time.perf_counter()
        answer = await http.post("/analyze", content=VIDEO, headers=ASYNC)
        told = answer.json()
        answers[answer.status_code].append((time.perf_counter() - began, told.get("id") or told.get("analysis_id", "")))

    async with httpx2.AsyncClient(base_url=site.url, timeout=HANG_S) as http, asyncio.TaskGroup() as group:
        for number in range(int(per_s * seconds)):
            group.create_task(send(http))
            if number % 3 == 0:
                site.may_end.release()
            await asyncio.sleep(1 / per_s)
    return answers


def _upload_and_delete(http: httpx2.Client) -> None:
    answer = http.post("/analyze", content=VIDEO, headers=ASYNC)
    if answer.status_code == 202:
        place = answer.headers["location"]
        http.get(place)
        http.delete(place)


def _cut_off(http: httpx2.Client) -> None:
    def half() -> Iterator[bytes]:
        yield VIDEO
        raise ConnectionAbortedError

    with suppress(ConnectionAbortedError):
        http.post("/analyze", content=half())


KINDS: tuple[Callable[[httpx2.Client], object], ...] = (
    _upload_and_delete,
    _cut_off,
    lambda http: http.post("/analyze", files={"file": VIDEO}),
    lambda http: http.post("/analyze?faces=99", content=b"no video"),
    lambda http: http.get("/analyses"),
    lambda http: http.get("/analyses/none"),
    lambda http: http.get("/readyz"),
    lambda http: http.get("/docs"),
)


def soak(folder: Path, *, seconds: float) -> list[str]:
    """Send requests of all kinds; print a table; return what grew."""
    samples: list[Counter[str]] = []
    with running(folder) as site, httpx2.Client(base_url=site.url, timeout=HANG_S) as http:
        site.may_end.release(_ALL)
        until = time.monotonic() + seconds
        rounds = 0
        while time.monotonic() < until or len(samples) < 30:
            for kind in KINDS:
                kind(http)
            rounds += 1
            samples.append(held(site))
    print(f"{rounds * len(KINDS)} requests\n{'':<24}{'after warm-up':>14}{'at the end':>12}")
    for name in samples[-1]:
        first, last = halves(samples, name)
        print(f"{name:<24}{first:>14,.0f}{last:>12,.0f}")
    return grown(samples)


def held(site: Site) -> Counter[str]:
    """Return what the gateway and Redis hold now."""
    place = Path(f"/proc/{site.process.pid}")
    with connect(site.redis_url) as redis:
        lasting = [key for key in redis.scan_iter() if redis.ttl(key) == -1]
    return Counter(
        {
            "memory MB": round(site.process.rss_bytes() / 1e6),
            "descriptors": len(list((place / "fd").iterdir())),
            "threads": len(list((place / "task").iterdir())),
            "keys without an end": len(lasting),
        }
    )


# What may come and go, beyond a tenth.
_SLACK = {"memory MB": 20, "descriptors": 10, "threads": 4, "keys without an end": 10}


def halves(samples: list[Counter[str]], name: str) -> tuple[float, float]:
    """Return the median of the second third of the samples and that of the last; the first is the warm-up."""
    third = len(samples) // 3
    values = [sample[name] for sample in samples]
    return float(np.median(values[third : 2 * third])), float(np.median(values[-third:]))


def grown(samples: list[Counter[str]]) -> list[str]:
    """Return what grew after the warm-up."""
    found = []
    for name, slack in _SLACK.items():
        first, last = halves(samples, name)
        if last > 1.1 * first + slack:
            found.append(f"{name} grew from {first:,.0f} to {last:,.0f}")
    return found


def main() -> int:
    """Run for a minute, or as long as it is told to."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.traffic")
    parser.add_argument("kind", choices=["load", "soak"])
    parser.add_argument("--seconds", type=float, default=60)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-traffic-") as folder:
        wrong = (load if told.kind == "load" else soak)(Path(folder), seconds=told.seconds)
    print("\n".join(wrong) or "as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
