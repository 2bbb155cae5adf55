"""Real processes for tests: the private Redis, gateways and workers at it, and `mien serve` as users start it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import redis

from service.queue.connection import connect
from service.standalone.private_redis import server_command, socket_url

# Maximum duration of any wait in tests: only a hang takes so long, however slow the machine is.
HANG_S = 900

# Tests also pass beside a service at its default ports.
FREE_PORTS = {"MIEN_PORT": "0", "MIEN_GRPC_PORT": "0", "MIEN_METRICS_PORT": "0"}

T = TypeVar("T")
_KEPT: list[socket.socket] = []


def wait_for(what: Callable[[], T | None], *, pause: float = 0.02) -> T:
    """Return the first truthy value of `what`, called at growing intervals; fail after `HANG_S`."""
    deadline = time.monotonic() + HANG_S
    while True:
        if value := what():
            return value
        assert time.monotonic() < deadline, f"not within {HANG_S} s"
        time.sleep(pause)
        pause = min(1.1 * pause, 0.5)  # a busy machine is not polled all the time


def free_port() -> int:
    """Return a free port below the system's ephemeral ports, so that no other process takes it meanwhile.

    It is kept bound until this process ends. That keeps other tests off, which bind it as it is, and not its server,
    which asks for `SO_REUSEADDR` as servers do (Linux: where nobody listens, both may have it).
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if sys.platform == "linux":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                _KEPT.append(probe.dup())
            return port


@contextmanager
def private_redis() -> Iterator[str]:
    """Run the private server; yield its URL."""
    with tempfile.TemporaryDirectory(prefix="mien-test-") as folder:
        path = Path(folder) / "redis.sock"
        process = subprocess.Popen(server_command(Path(folder), path))
        try:
            client = connect(socket_url(path))
            wait_for(lambda: path.exists() and client.ping())
            client.close()
            yield socket_url(path)
        finally:
            process.kill()
            process.wait()


class StoppableRedis:
    """A Redis that can be stopped and started; its data is kept."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options
        self._socket = folder / "redis.sock"
        self.url = socket_url(self._socket)

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen([*server_command(self.folder, self._socket), *self._options])
        with connect(self.url) as client:
            wait_for(lambda: self._socket.exists() and _pongs(client))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def stoppable_redis(*options: str) -> Iterator[StoppableRedis]:
    """Run a server that can be stopped and started again."""
    with tempfile.TemporaryDirectory(prefix="mien-test-") as folder:
        server = StoppableRedis(Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass
class Process:
    """A process of the service, its output in `log`."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def said(self, text: str) -> bool:
        return text in self.log.read_text(errors="replace")

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end and return the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(HANG_S)

    def rss_bytes(self) -> int:
        """Resident memory of the process and all its descendants."""
        return process_bytes(self.pid)


def process_bytes(pid: int) -> int:
    """Return the resident memory of a process and all its descendants."""
    return sum(_rss(one) for one in [pid, *descendants(pid)])


def descendants(pid: int) -> list[int]:
    """Return the process ids below `pid` (Linux)."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


@contextmanager
def process(folder: Path, module: str, env: Mapping[str, str]) -> Iterator[Process]:
    """Run `python -m module`; killed at the end if it still runs."""
    log = folder / f"{module}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**os.environ, **FREE_PORTS, **env},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Process(popen, log)
    try:
        yield running
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


@contextmanager
def worker(folder: Path, redis_url: str, *, module: str = "service.worker", **settings: object) -> Iterator[Process]:
    """Run a worker at `redis_url` with its blobs in `folder/blobs`; `settings` without the prefix `MIEN_`."""
    with process(folder, module, _env(folder, redis_url, settings)) as running:
        wait_for(lambda: running.said('"event": "ready"') or _ended(running))
        yield running


@contextmanager
def gateway(
    folder: Path, redis_url: str, *, module: str = "service.gateway", **settings: object
) -> Iterator[tuple[Process, str]]:
    """Run a gateway like `worker`; yield it and its URL."""
    port = free_port()
    with process(folder, module, _env(folder, redis_url, {"port": port, **settings})) as running:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(f"{url}/healthz") or _ended(running))
        yield running, url


def grpc_address(running: Process) -> str:
    """Return a gateway's gRPC address, from its log."""
    lines = (json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{"))
    port = next(line["port"] for line in lines if line.get("protocol") == "grpc")
    return f"127.0.0.1:{port}"


@dataclass
class Served:
    """A running `mien serve`."""

    url: str
    data_dir: Path
    process: Process

    @property
    def blobs(self) -> list[Path]:
        return [file for file in (self.data_dir / "blobs").rglob("*") if file.is_file()]


def serve_ports() -> dict[str, str]:
    """Return a free port for each that `mien serve` listens on, because it does not accept 0."""
    return {name: str(free_port()) for name in FREE_PORTS}


@contextmanager
def mien_serve(folder: Path, **settings: object) -> Iterator[Served]:
    """Run `mien serve` with its data in `folder/data`."""
    env = {**serve_ports(), "MIEN_DATA_DIR": str(folder / "data"), "MIEN_WAIT_S": str(HANG_S)}
    env |= {f"MIEN_{name.upper()}": str(value) for name, value in settings.items()}
    log = folder / "serve.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [Path(sys.executable).with_name("mien"), "serve"],
            env={**os.environ, **env},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Process(popen, log)
    try:
        wait_for(lambda: running.said("Mien is ready") or _ended(running))
        yield Served(f"http://127.0.0.1:{env['MIEN_PORT']}", folder / "data", running)
    finally:
        running.end()


def _env(folder: Path, redis_url: str, settings: Mapping[str, object]) -> dict[str, str]:
    shared = {"MIEN_REDIS_URL": redis_url, "MIEN_BLOBS_DIR": str(folder / "blobs"), "MIEN_WAIT_S": str(HANG_S)}
    return shared | {f"MIEN_{name.upper()}": str(value) for name, value in settings.items()}


def _pongs(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:  # Redis is loading its file
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=HANG_S):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _ended(running: Process) -> bool:
    code = running.popen.poll()
    assert code is None, f"ended with {code}:\n{running.log.read_text()}"
    return False
