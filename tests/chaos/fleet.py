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

from tests.processes import FREE_PORTS, StoppableRedis, descendants, free_port, wait_for

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

    def close(self) -> None:
        self.send(signal.SIGCONT)
        self._popen.kill()
        self._popen.wait()
        self._log.close()


class Fleet:
    """Redis, gateways and workers; `fenced` says whether the workers' commits are checked as they should be."""

    def __init__(self, folder: Path, *, gateways: int, workers: int, bundle: Path, fenced: bool = True) -> None:
        self.folder = folder
        self.blobs = folder / "blobs"
        self.ledger = folder / "ledger"
        self.ledger.touch()
        (folder / "redis").mkdir()
        self.redis = StoppableRedis(folder / "redis")
        self.redis.start()
        env = {
            "MIEN_REDIS_URL": self.redis.url,
            "MIEN_BLOBS_DIR": str(self.blobs),
            "MIEN_SWEEP_EVERY_S": "5",
            "MIEN_LEASE_S": str(LEASE_S),
            "MIEN_UPLOAD_IDLE_S": "5",  # for twice as long, a gateway that was killed holds its idempotency keys
            "MIEN_MAX_ATTEMPTS": "100",  # what fails is lost: how often a job is struck is chance
            "MIEN_BUNDLES": json.dumps([str(bundle)]),
            "CHAOS_LEDGER": str(self.ledger),
            "CHAOS_FENCED": "yes" if fenced else "",
        }
        self.ports = [free_port() for _ in range(gateways)]
        self.gateways = [
            Member(f"gateway{number}", "service.gateway", env | {"MIEN_PORT": str(port)}, folder)
            for number, port in enumerate(self.ports)
        ]
        self.workers = [Member(f"worker{number}", "tests.chaos.stand_in", env, folder) for number in range(workers)]
        self.done: Counter[str] = Counter()
        self._redis_lock = threading.Lock()

    def await_workers(self) -> None:
        """Wait until every worker is ready."""
        wait_for(lambda: all(worker.said('"event": "ready"') for worker in self.workers))

    def strike(self, random: Random) -> None:
        """Do one thing at random that a service has to withstand, and put it right a while later."""
        kind = random.choices(
            ["kill worker", "stop worker", "kill child", "kill gateway", "stop gateway", "kill redis", "stop redis"],
            [4, 2, 3, 2, 1, 1, 1],
        )[0]
        self.done[kind] += 1
        what, _, whom = kind.partition(" ")
        if whom == "redis":
            self._strike_redis(what, random)
            return
        member = random.choice(self.gateways if whom == "gateway" else self.workers)
        if whom == "child":
            for pid in random.sample(found := member.children(), min(1, len(found))):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif what == "kill":
            member.send(signal.SIGKILL)
        else:
            member.send(signal.SIGSTOP)
            threading.Timer(random.uniform(1, 2) * LEASE_S, member.send, [signal.SIGCONT]).start()

    def _strike_redis(self, what: str, random: Random) -> None:
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
        """Start again what has ended."""
        for member in (*self.gateways, *self.workers):
            member.keep()

    def calm(self) -> None:
        """Let all that was stopped go on."""
        for member in (*self.gateways, *self.workers):
            member.send(signal.SIGCONT)

    def close(self) -> None:
        for member in (*self.gateways, *self.workers):
            member.close()
        self.redis.stop()
