"""A whole service under mixed load for long: `make soak`, or `python -m tests.attack.soak --seconds 3600`.

A Redis, a gateway and a worker serve rounds of requests of every kind: uploads by REST and gRPC, watchers, live
analyses, webhooks, deletions, uploads that are cut off, wrong requests. After each round the resources of each process
are counted. The first third of the rounds is the warm-up; after it nothing may grow. Each request must end as it
should: a watcher, for example, with the end of its analysis.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import grpc
import httpx2
import numpy as np
from redis import Redis

from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from service.queue.connection import connect
from tests.bundles import write_bundle
from tests.processes import (
    HANG_S,
    Process,
    descendants,
    gateway,
    grpc_address,
    process_bytes,
    stoppable_redis,
    wait_for,
    worker,
)
from tests.videos import face_video, scene, still

RESULTS_TTL_S = 60  # the least there is
CLIENTS = 4
ASYNC = {"Prefer": "respond-async"}


@dataclass
class Site:
    """A running service, what is sent to it, and what went wrong with a request."""

    url: str
    rpc: AffectServiceStub
    http: httpx2.Client
    video: bytes
    frames: list[bytes]
    callbacks: str
    pids: dict[str, int]
    redis: Redis
    called: set[str] = field(default_factory=set)
    wrong: Counter[str] = field(default_factory=Counter)


@contextmanager
def running(folder: Path, *, gateway_module: str = "service.gateway") -> Iterator[Site]:
    """Run a service and a receiver of webhooks."""
    settings = {
        "callback_secret": "whsec_" + base64.b64encode(bytes(32)).decode(),
        "callback_private": "true",
        "sweep_every_s": 2,
        "redis_rewrite_s": 10,
    }
    pictures = [cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes() for pixels in scene([still()], seconds=1, fps=10)]
    called: set[str] = set()
    with (
        stoppable_redis() as server,
        gateway(folder, server.url, module=gateway_module, **settings) as (serving, url),
        worker(
            folder, server.url, bundles=json.dumps([str(write_bundle(folder / "bundle"))]), results_ttl_s=RESULTS_TTL_S
        ) as working,
        _receiver(called) as callbacks,
        grpc.insecure_channel(grpc_address(serving)) as channel,
        httpx2.Client(base_url=url, timeout=HANG_S) as http,
        connect(server.url) as redis,
    ):
        pids = {"redis": server.pid, "gateway": serving.pid, "worker": working.pid}
        video = face_video(folder / "face.mp4", seconds=0.8, size=(160, 120)).read_bytes()
        yield Site(url, AffectServiceStub(channel), http, video, pictures, callbacks, pids, redis, called)
        _check_logs(serving, working)


def _check_logs(*processes: Process) -> None:
    for one in processes:
        _, traceback, what = one.log.read_text().partition("Traceback")
        assert not traceback, what[:3000]


@contextmanager
def _receiver(called: set[str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            called.add(json.loads(body)["data"]["id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def upload_and_read(site: Site) -> bool:
    """Upload a video, wait for the result, read it as a table, delete it."""
    answer = site.http.post("/analyze", content=site.video)
    place = f"/analyses/{answer.json()['id']}"
    table = site.http.get(place, headers={"Accept": "text/csv"})
    return answer.status_code == table.status_code == 200 and site.http.delete(place).status_code == 204


def watch_and_be_called(site: Site) -> bool:
    """Upload a video with a webhook, watch it to its end, and wait for the webhook."""
    place = site.http.post("/analyze", params={"callback_url": site.callbacks}, content=site.video, headers=ASYNC)
    job_id = place.json()["id"]
    ended = False
    with site.http.stream("GET", f"/analyses/{job_id}/events") as events:
        for line in events.iter_lines():
            ended = ended or line == "event: ended"
    wait_for(lambda: job_id in site.called)
    site.called.discard(job_id)
    return ended and site.http.delete(f"/analyses/{job_id}").status_code == 204


def delete_at_once(site: Site) -> bool:
    """Upload a video and delete it while it waits or runs."""
    place = site.http.post("/analyze", content=site.video, headers=ASYNC).headers["location"]
    return site.http.delete(place).status_code == 204 and site.http.get(place).status_code == 410


def call(site: Site) -> bool:
    """Analyse a video by gRPC to its last event, and cancel it."""
    requests = [pb.AnalyzeRequest(options=pb.Options()), pb.AnalyzeRequest(chunk=site.video)]
    told = list(site.rpc.Analyze(iter(requests), timeout=HANG_S))
    site.rpc.CancelAnalysis(pb.CancelAnalysisRequest(id=told[0].accepted.id), timeout=HANG_S)
    return bool(told[-1].event.ended.state == pb.STATE_SUCCEEDED)


def cancel_call(site: Site) -> bool:
    """Begin an analysis by gRPC, cancel the call after its first message, and let the analysis expire."""
    requests = [pb.AnalyzeRequest(options=pb.Options()), pb.AnalyzeRequest(chunk=site.video)]
    told = site.rpc.Analyze(iter(requests), timeout=HANG_S)
    first = next(iter(told))
    told.cancel()
    return first.HasField("accepted")


def live(site: Site) -> bool:
    """Analyse a second of live frames; retry if the worker's places are taken."""

    def frames() -> Iterator[pb.AnalyzeLiveRequest]:
        yield pb.AnalyzeLiveRequest(options=pb.LiveOptions())
        for number, picture in enumerate(site.frames):
            yield pb.AnalyzeLiveRequest(frame=pb.LiveFrame(time_s=number / 10, jpeg=picture))
            time.sleep(0.02)

    try:
        list(site.rpc.AnalyzeLive(frames(), timeout=HANG_S))
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE and "No worker is free" in error.details()
    return True


def cut_off(site: Site) -> bool:
    """Cut an upload off in the middle."""

    def half() -> Iterator[bytes]:
        yield site.video[: len(site.video) // 2]
        raise ConnectionAbortedError

    with suppress(ConnectionAbortedError):
        site.http.post("/analyze", content=half())
    return True


def ask(method: str, path: str, status: int, **what: object) -> Callable[[Site], bool]:
    """Return a kind of request that has this status."""

    def kind(site: Site) -> bool:
        return site.http.request(method, path, **what).status_code == status  # type: ignore[arg-type]

    kind.__name__ = f"{method} {path}"
    return kind


KINDS: tuple[Callable[[Site], bool], ...] = (
    upload_and_read,
    watch_and_be_called,
    delete_at_once,
    call,
    cancel_call,
    live,
    cut_off,
    ask("POST", "/analyze", 400, files={"file": b"no video"}),
    ask("POST", "/analyze?faces=99", 400, content=b"no video"),
    ask("POST", "/analyze", 415, content=b"no video, and that at some length"),
    ask("GET", "/analyses", 200),
    ask("GET", "/analyses/none", 404),
    ask("GET", "/readyz", 200),
    ask("GET", "/metrics", 200),
    ask("GET", "/docs", 200),
)


def soak(
    folder: Path, *, seconds: float = 0, rounds: int = 0, gateway_module: str = "service.gateway"
) -> tuple[list[Counter[str]], Counter[str]]:
    """Send rounds of all kinds for some seconds or rounds; return the resources after each round, and the failures."""
    samples: list[Counter[str]] = []
    with running(folder, gateway_module=gateway_module) as site, ThreadPoolExecutor(CLIENTS) as clients:
        until = time.monotonic() + seconds
        shuffled = random.Random(1)
        for number in itertools.count():
            if number >= max(rounds, 3) and time.monotonic() >= until:
                break
            list(clients.map(lambda kind: _send(site, kind), shuffled.sample(KINDS, len(KINDS))))
            samples.append(held(site))
        return samples, site.wrong


def _send(site: Site, kind: Callable[[Site], bool]) -> None:
    try:
        if not kind(site):
            site.wrong[f"{kind.__name__} did not end as it should"] += 1
    except Exception as error:
        site.wrong[f"{kind.__name__}: {type(error).__name__} {error}"[:300]] += 1


def held(site: Site) -> Counter[str]:
    """Return the resources of each process and of Redis; a worker's children count towards its memory."""
    found: Counter[str] = Counter()
    for name, pid in site.pids.items():
        place = Path(f"/proc/{pid}")
        found[f"{name}: memory MB"] = round(process_bytes(pid) / 1e6)
        found[f"{name}: descriptors"] = len(list((place / "fd").iterdir()))
        found[f"{name}: threads"] = len(list((place / "task").iterdir()))
    found["worker: processes below it"] = len(descendants(site.pids["worker"]))
    keys = list(site.redis.scan_iter(count=1000))
    with site.redis.pipeline() as pipe:
        for key in keys:
            pipe.ttl(key)
        lasting = [key for key, ttl_s in zip(keys, pipe.execute(), strict=True) if ttl_s == -1]
    found["redis: keys without an end"] = len(lasting)
    found["redis: members of these"] = sum(_size(site.redis, key) for key in lasting)
    return found


def _size(redis: Redis, key: str) -> int:
    count = {"zset": redis.zcard, "hash": redis.hlen, "set": redis.scard, "list": redis.llen, "stream": redis.xlen}
    kind = str(redis.type(key))
    return int(count[kind](key)) if kind in count else 1  # type: ignore[operator, arg-type]


# Slack beyond a tenth, by the last word of a row's name.
_SLACK = {"MB": 20, "descriptors": 10, "threads": 6, "it": 4, "end": 10, "these": 60}


def halves(samples: list[Counter[str]], name: str) -> tuple[float, float]:
    """Return the median of the second third of the samples and that of the last; the first is the warm-up."""
    third = len(samples) // 3
    values = [sample[name] for sample in samples]
    return float(np.median(values[third : 2 * third])), float(np.median(values[-third:]))


def grown(samples: list[Counter[str]]) -> list[str]:
    """Return what grew after the warm-up: by more than a tenth and some slack."""
    found = []
    for name in samples[-1]:
        first, last = halves(samples, name)
        if last > 1.1 * first + _SLACK[name.split()[-1]]:
            found.append(f"{name} grew from {first:,.0f} to {last:,.0f}")
    return found


def main() -> int:
    """Run for a minute, or for `--seconds`; print a table; return 1 if anything grew or failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.soak")
    parser.add_argument("--seconds", type=float, default=60)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-soak-") as folder:
        samples, wrong = soak(Path(folder), seconds=told.seconds)
    print(f"{len(samples) * len(KINDS)} requests\n{'':<32}{'after warm-up':>14}{'at the end':>12}")
    for name in samples[-1]:
        first, last = halves(samples, name)
        print(f"{name:<32}{first:>14,.0f}{last:>12,.0f}")
    told_wrong = [*grown(samples), *(f"{count} x {what}" for what, count in wrong.items())]
    print("\n".join(told_wrong) or "as it should be")
    return 1 if told_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
