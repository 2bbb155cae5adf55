"""Replace gateways and workers one after another under load: `python -m tests.chaos.rolling --seconds 600`.

In front of the gateways stands what a load balancer does: it asks each for its readiness every now and then, sends
requests to those that were ready, and does not repeat what fails. Nothing may fail, by REST or gRPC.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import grpc
import httpx2

from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1 import affect_pb2_grpc
from tests.bundles import write_bundle
from tests.chaos.check import Outcomes, count_outcomes
from tests.chaos.fleet import Fleet, Gateway
from tests.chaos.stand_in import script
from tests.processes import HANG_S, wait_for

LOOK_EVERY_S = 0.5
UNREADY_S = 8 * LOOK_EVERY_S  # a busy machine looks late


class Balancer:
    """Know which gateways were ready when they were last asked."""

    def __init__(self, fleet: Fleet, look_every_s: float) -> None:
        self._fleet = fleet
        self._look_every_s = look_every_s
        self._ready: list[Gateway] = []
        self._stopped = threading.Event()
        self._http = httpx2.Client(timeout=5)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def pick(self, random: Random) -> Gateway:
        """Return a gateway that was ready."""
        return random.choice(wait_for(lambda: self._ready))

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopped.is_set():
            self._ready = [one for one in list(self._fleet.gateways) if self._is_ready(one)]
            self._stopped.wait(self._look_every_s if self._ready else LOOK_EVERY_S)

    def _is_ready(self, gateway: Gateway) -> bool:
        try:
            return self._http.get(f"{gateway.url}/readyz").status_code == 200
        except httpx2.HTTPError:
            return False


class Traffic:
    """Clients of REST and gRPC, each in a thread: they count answers by API and status, and note the accepted jobs."""

    def __init__(self, balancer: Balancer, clients: int) -> None:
        self.answers: Counter[str] = Counter()
        self.accepted: list[str] = []
        self._balancer = balancer
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        works = itertools.islice(itertools.cycle([self._rest, self._rpc]), clients)
        self._threads = [threading.Thread(target=self._repeat, args=(work, n)) for n, work in enumerate(works)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> dict[str, int]:
        """Count what failed: 5xx, no answer, and any gRPC status but OK."""
        return {kind: count for kind, count in self.answers.items() if kind.split()[1] not in {"200", "202", "OK"}}

    def _repeat(self, work: object, number: int) -> None:
        random = Random(number)
        with httpx2.Client(timeout=HANG_S) as http:
            while not self._stopping.is_set():
                work(self._balancer.pick(random), http, random)  # type: ignore[operator]

    def _note(self, answer: str, job_id: str = "") -> None:
        with self._lock:
            self.answers[answer] += 1
            if job_id:
                self.accepted.append(job_id)

    def _rest(self, gateway: Gateway, http: httpx2.Client, random: Random) -> None:
        video = script(seconds=round(random.uniform(0.02, 0.5), 2))
        try:
            answer = http.post(f"{gateway.url}/analyze", content=video)
            self._note(f"POST {answer.status_code}", answer.json().get("id", ""))
        except httpx2.HTTPError as error:
            self._note(f"POST {type(error).__name__}")

    def _rpc(self, gateway: Gateway, _: httpx2.Client, random: Random) -> None:
        video = script(seconds=round(random.uniform(0.02, 0.5), 2))
        requests = [pb.AnalyzeRequest(options=pb.Options()), pb.AnalyzeRequest(chunk=video)]
        job_id = ""
        try:
            with grpc.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
                for told in affect_pb2_grpc.AffectServiceStub(channel).Analyze(iter(requests), timeout=HANG_S):
                    job_id = job_id or told.accepted.id
            self._note("Analyze OK", job_id)
        except grpc.RpcError as error:
            self._note(f"Analyze {error.code().name}", job_id)


def roll(
    folder: Path,
    *,
    seconds: float,
    unready_s: float = UNREADY_S,
    look_every_s: float = LOOK_EVERY_S,
    clients: int = 8,
) -> tuple[Traffic, Outcomes, int]:
    """Replace processes one after another for some seconds; return traffic, outcomes and number of replacements."""
    fleet = Fleet(folder, gateways=2, workers=2, bundle=write_bundle(folder / "bundle"), unready_s=unready_s)
    replaced = 0
    try:
        fleet.await_workers()
        balancer = Balancer(fleet, look_every_s)
        traffic = Traffic(balancer, clients)
        until = time.monotonic() + seconds
        while time.monotonic() < until or replaced < 3:
            fleet.replace_gateway() if replaced % 3 < 2 else fleet.replace_worker()
            replaced += 1
        traffic.stop()
        balancer.close()
        return traffic, count_outcomes(fleet, traffic.accepted), replaced
    finally:
        fleet.close()


def main() -> int:
    """Replace processes, print the table, and return 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rolling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-rolling-") as folder:
        traffic, outcomes, replaced = roll(Path(folder), seconds=asked.seconds)
    rows = dict(sorted(traffic.answers.items())) | {
        "processes replaced": replaced,
        "jobs accepted": outcomes.accepted,
        "done": outcomes.done,
        "failed": outcomes.failed,
        "lost": outcomes.lost,
        "extra attempts": outcomes.extra_attempts,
    }
    for name, value in rows.items():
        print(f"{name:32}{value:>8}")
    return 0 if outcomes.promise_kept and not traffic.failed else 1


if __name__ == "__main__":
    sys.exit(main())
