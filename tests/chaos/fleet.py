"""The processes of one service that are killed and stopped at random, and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx2

from tests.chaos import orders
from tests.processes import FREE_PORTS, HANG_S, StoppableRedis, descendants, free_port, wait_for

LEASE_S = 3.0


class Member:
    """One process, started again whenever it has ended, until `close`."""

    def __init__(self, name: str, module: str, env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._module = module
        self._env = {**os.environ, **FREE_PORTS, **env}
        self._log = (folder / f"{name}.log").open("ab")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", self._module]
        self._popen = subprocess.Popen(command, env=self._env, stdout=self._log, stderr=subprocess.STDOUT)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def said(self, text: str) -> bool:
        return text in Path(self._log.name).read_text(errors="replace")

    def keep(self) -> None:
        """Start the process again if it has ended."""
        if self._popen.poll() is not None:
            self.start()

    def send(self, number: int) -> None:
        self._popen.send_signal(number)

    def children(self) -> list[int]:
        """Return the processes below this one: its fork server and the decode children."""
        return descendants(self._popen.pid)

    def end(self) -> None:
        """Stop the process as an operator does, and wait until it has ended."""
        self.send(signal.SIGTERM)
        self._popen.wait(HANG_S)

    def close(self) -> None:
        self.send(signal.SIGCONT)
        self._popen.kill()
        self._popen.wait()
        self._log.close()


class Gateway(Member):
    """A gateway, at ports of its own."""

    def __init__(self, name: str, env: Mapping[str, str], folder: Path) -> None:
        self.port, self.grpc_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ports = {"MIEN_PORT": str(self.port), "MIEN_GRPC_PORT": str(self.grpc_port)}
        super().__init__(name, "tests.chaos.stand_in_gateway", {**env, **ports}, folder)

    def is_ready(self) -> bool:
        """Return whether it takes jobs."""
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False


class Fault(NamedTuple):
    """A fault to inject, at a step of the process's work or, if that is "", at any moment."""

    what: str
    whom: str
    step: str = ""


class Fleet:
    """Redis, gateways and workers; `fenced` says whether the workers' commits are checked as they should be.

    Attributes:
        done: the number of faults injected of each kind.
        faulted: the id of each process with a fault, and the Unix time of the fault.
    """

    def __init__(
        self, folder: Path, *, gateways: int, workers: int, bundle: Path, fenced: bool = True, unready_s: float = 0
    ) -> None:
        self.folder = folder
        self.blobs = folder / "blobs"
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.orders = folder / "orders"
        self.orders.mkdir()
        (folder / "redis").mkdir()
        self.redis = StoppableRedis(folder / "redis")
        self.redis.start()
        self._env = {
            "MIEN_REDIS_URL": self.redis.url,
            "MIEN_BLOBS_DIR": str(self.blobs),
            "MIEN_SWEEP_EVERY_S": "5",
            "MIEN_UNREADY_S": str(unready_s),
            "MIEN_LEASE_S": str(LEASE_S),
            "MIEN_UPLOAD_IDLE_S": "5",  # for twice as long, a gateway that was killed holds its idempotency keys
            "MIEN_MAX_ATTEMPTS": "100",  # a failed job counts as lost, and the number of faults of a job is random
            "MIEN_BUNDLES": json.dumps([str(bundle)]),
            "CHAOS_LEDGER": str(self.ledger),
            "CHAOS_ORDERS": str(self.orders),
            "CHAOS_FENCED": "yes" if fenced else "",
        }
        self._made = 0
        self.gateways = [self._gateway() for _ in range(gateways)]
        self.workers = [self._worker() for _ in range(workers)]
        self.done: Counter[str] = Counter()
        self.faulted: list[tuple[int, float]] = []
        self._obeyed: set[orders.Taken] = set()
        self._redis_lock = threading.Lock()

    def _gateway(self) -> Gateway:
        self._made += 1
        return Gateway(f"gateway{self._made}", self._env, self.folder)

    def _worker(self) -> Member:
        self._made += 1
        return Member(f"worker{self._made}", "tests.chaos.stand_in", self._env, self.folder)

    def replace_gateway(self) -> None:
        """Start another gateway, wait until it is ready, and stop the oldest."""
        self.gateways.append(new := self._gateway())
        wait_for(new.is_ready)
        self.gateways[0].end()
        self.gateways.pop(0).close()

    def replace_worker(self) -> None:
        """Start another worker, wait until it is ready, and stop the oldest."""
        self.workers.append(new := self._worker())
        wait_for(lambda: new.said('"event": "ready"'))
        self.workers[0].end()
        self.workers.pop(0).close()

    def await_workers(self) -> None:
        """Wait until every worker is ready."""
        wait_for(lambda: all(worker.said('"event": "ready"') for worker in self.workers))

    def inject(self, fault: Fault, random: Random) -> None:
        """Kill or stop a process, and start or continue it a while later."""
        what, whom, step = fault
        if step:
            orders.give(self.orders, what, step)
            return
        self.done[f"{what} {whom}"] += 1
        if whom == "redis":
            self._disturb_redis(what, random)
            return
        member = random.choice(self.gateways if whom == "gateway" else self.workers)
        self.faulted.append((member.pid, time.time()))
        if whom == "child":
            for pid in random.sample(found := member.children(), min(1, len(found))):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif what == "kill":
            member.send(signal.SIGKILL)
        else:
            member.send(signal.SIGSTOP)
            threading.Timer(random.uniform(1, 2) * LEASE_S, member.send, [signal.SIGCONT]).start()

    def _disturb_redis(self, what: str, random: Random) -> None:
        with self._redis_lock:
            if what == "kill":
                self.redis.stop()
                time.sleep(random.uniform(0, 1))
                self.redis.start()
            else:
                os.kill(self.redis.pid, signal.SIGSTOP)
                time.sleep(random.uniform(0, 2))
                os.kill(self.redis.pid, signal.SIGCONT)

    def keep(self) -> None:
        """Start processes again that have ended, and continue those that stopped themselves, after 1.5 leases."""
        for taken in set(orders.taken(self.orders)) - self._obeyed:
            self._obeyed.add(taken)
            whom = "gateway" if taken.step in orders.GATEWAY_STEPS else "worker"
            self.done[f"{taken.what} {whom} once {taken.step}"] += 1
            self.faulted.append((taken.pid, taken.at))
            if taken.what == "stop":
                threading.Timer(1.5 * LEASE_S, self._go_on, [taken.pid]).start()
        for member in self.members:
            member.keep()

    def _go_on(self, pid: int) -> None:
        for member in self.members:
            if member.pid == pid:
                member.send(signal.SIGCONT)

    @property
    def members(self) -> list[Member]:
        """All gateways and workers."""
        return [*self.gateways, *self.workers]

    def calm(self) -> None:
        """Continue all stopped processes."""
        for member in self.members:
            member.send(signal.SIGCONT)

    def close(self) -> None:
        for member in self.members:
            member.close()
        self.redis.stop()
