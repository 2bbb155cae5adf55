"""Run `mien serve`: start a private Redis, a worker and a gateway in this order, and stop them in reverse.

Each child runs in its own session, so that Ctrl-C reaches only this process, and gets a signal if this process dies.
A child that exits unexpectedly is restarted.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import IO

import structlog
from redis.exceptions import RedisError

from mien.contract.errors import Misconfigured
from service.environment import read_settings
from service.gateway.settings import GatewaySettings
from service.queue.connection import connect
from service.standalone.private_redis import server_command, socket_url
from service.standalone.settings import StandaloneSettings, state_home
from service.telemetry.logs import configure_logs

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1
_URL_FILE = "redis-url"
# A child that lives is waited for: a machine may be slow, and a Redis has its file to load.
_SAY_EVERY_S = 30.0
_STOP_S = 45.0
_LONGEST_PAUSE_S = 30.0
# A child that ran this long restarts without the pauses of earlier failures.
_SETTLED_S = 60.0
_CLIENTS_URL = "http://127.0.0.1:8000"  # of the command line and the Python client, if none is given
_WORKERS_METRICS_PORT = 9101  # of a worker, if none is given
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the gateway is never behind a proxy


class _Child:
    """A process that is restarted when it exits; it holds `lock` as long as it runs."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], lock: IO[str] | None = None
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._lock = lock
        self._pause_s = 1.0
        self._restart_at: float | None = None
        self.start()

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._command,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,
            pass_fds=() if self._lock is None else (self._lock.fileno(),),
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no thread runs yet
        )

    def exit_code(self) -> int | None:
        return self._process.poll()

    def keep_alive(self) -> None:
        """Restart the process if it has exited, with growing pauses."""
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._restart_at = None
                self.start()
        elif (code := self._process.poll()) is not None:
            if now - self._started_at > _SETTLED_S:
                self._pause_s = 1.0
            log.warning("exited unexpectedly, restarting", child=self.name, exit_code=code, in_s=self._pause_s)
            self._restart_at = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def stop(self) -> None:
        """Terminate the process, wait, and kill it if it takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("did not stop in time, killed", child=self.name)
            self._process.kill()
            self._process.wait()


class _Waiting:
    """Log periodically what is being waited for."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said_at = time.monotonic()

    def say(self) -> None:
        if time.monotonic() - self._said_at > _SAY_EVERY_S:
            log.warning("not ready yet, waiting; Ctrl-C ends it", waiting_for=self._what)
            self._said_at = time.monotonic()


def serve(settings: StandaloneSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        Misconfigured: no Redis, data folder in use, port taken, a wrong setting, or a child that does not start.
    """
    gateway = read_settings(GatewaySettings)
    os.umask(0o077)
    configure_logs("serve", "info")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(settings.data_dir) as lock:
        _require_free(settings.host, settings.port, "--port or MIEN_PORT")
        _require_free(settings.host, settings.grpc_port, "--grpc-port or MIEN_GRPC_PORT")
        runtime = Path(tempfile.mkdtemp(prefix="mien-", dir=_runtime_home()))
        try:
            _run(settings, gateway, runtime, stopping, lock)
        finally:
            shutil.rmtree(runtime, ignore_errors=True)


def _run(
    settings: StandaloneSettings, gateway: GatewaySettings, runtime: Path, stopping: threading.Event, lock: IO[str]
) -> None:
    redis_dir = settings.data_dir / "redis"
    redis_dir.mkdir(exist_ok=True, mode=0o700)
    redis_socket = runtime / "redis.sock"
    environment = dict(os.environ) | {
        "MIEN_REDIS_URL": socket_url(redis_socket),
        "MIEN_BLOBS_DIR": str(settings.data_dir / "blobs"),
    }
    url_file = settings.data_dir / _URL_FILE
    url_file.write_text(environment["MIEN_REDIS_URL"], encoding="utf-8")
    if not environment.get("MIEN_METRICS_PORT") and _why_taken(gateway.metrics_host, _WORKERS_METRICS_PORT):
        environment["MIEN_METRICS_PORT"] = "0"  # any: the default is another instance's
    environment.setdefault("MIEN_CALLBACK_SECRET", _kept_secret(settings.data_dir / "callback-secret"))
    children: list[_Child] = []
    try:
        # Redis holds the lock too: if this process is killed, the data stays locked until Redis has closed it.
        path = {"PATH": os.environ.get("PATH", "")}
        children.append(_Child("redis", server_command(redis_dir, redis_socket), path, lock))
        _await_redis(children[0], redis_dir, redis_socket, stopping)
        children.append(_Child("worker", [sys.executable, "-m", "service.worker"], environment))
        children.append(_Child("gateway", [sys.executable, "-m", "service.gateway"], environment))
        _await_ready(children, settings.url, stopping)
        if not stopping.is_set():
            print(welcome(settings, gateway), flush=True)  # noqa: T201 - what the command is asked for
        while not stopping.wait(0.5):
            for child in children:
                child.keep_alive()
    finally:
        url_file.unlink(missing_ok=True)
        # Gateway, worker, Redis: first stop new requests, then commit running work, then close the queue.
        for child in reversed(children):
            child.stop()


def redis_url(data_dir: Path) -> str | None:
    """Return the Redis URL of the `mien serve` that runs with its data in a folder, if there is one."""
    try:
        return (data_dir / _URL_FILE).read_text(encoding="utf-8")
    except OSError:
        return None


def _kept_secret(file: Path) -> str:
    """Return the secret that signs callbacks, created once per data folder."""
    if not file.exists():
        file.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(), encoding="ascii")
    return file.read_text(encoding="ascii")


def _await_redis(redis: _Child, redis_dir: Path, redis_socket: Path, stopping: threading.Event) -> None:
    client = connect(socket_url(redis_socket))
    waiting = _Waiting(f"Redis, see {redis_dir}/redis.log")
    while not stopping.wait(0.02):
        if redis.exit_code() is not None:
            raise Misconfigured(f"Redis ended at once; {redis_dir}/redis.log says why.")
        try:
            # A server that is still loading its append-only file answers with an error.
            if redis_socket.exists() and client.ping():
                break
        except RedisError:
            pass
        waiting.say()
    client.close()


def _await_ready(children: Sequence[_Child], url: str, stopping: threading.Event) -> None:
    waiting = _Waiting("the worker and the gateway")
    while not stopping.wait(0.05):
        _require_alive(children)
        try:
            with _DIRECT.open(f"{url}/readyz", timeout=5) as answer:
                if json.load(answer)["workers"] > 0:
                    return
        except (OSError, HTTPException, ValueError):
            pass
        waiting.say()


def _require_alive(children: Sequence[_Child]) -> None:
    for child in children:
        if (code := child.exit_code()) is not None:
            raise Misconfigured(f"The {child.name} ended with exit code {code}; its messages above say why.")


def welcome(settings: StandaloneSettings, gateway: GatewaySettings) -> str:
    """Return what to print when the service is ready: where it is, and commands that reach it there."""
    url = settings.url
    flags = "" if url == _CLIENTS_URL else f"--url {url} "
    header = ""
    lines = [f"API docs   {url}/docs", f"gRPC       {settings.grpc_address}"]
    if gateway.keys_required:
        flags += "--key KEY "
        header = '-H "Authorization: Bearer KEY" '
        folder = "" if settings.data_dir == state_home() else f" --data {shlex.quote(str(settings.data_dir))}"
        lines += [
            f"keys       every request needs one; to create one: mien keys create{folder}",
            f"hosts      requests may be for: {', '.join(gateway.allowed_hosts)} (MIEN_ALLOWED_HOSTS)",
        ]
    lines += [
        f"try        mien analyze {flags}clip.mp4",
        f"           curl {header}-F video=@clip.mp4 {shlex.quote(f'{url}/analyze')}",
        "stop       Ctrl-C",
    ]
    return "\n".join(["", f"Mien is ready at {url}", *(f"  {line}" for line in lines), ""])


def _lock(data_dir: Path) -> IO[str]:
    file = (data_dir / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise Misconfigured(
            f"Another `mien serve` uses {data_dir}. Stop it, or give this one a folder and ports of its own: "
            "--data, --port, --grpc-port, or MIEN_DATA_DIR, MIEN_PORT, MIEN_GRPC_PORT."
        ) from error
    return file


def _require_free(host: str, port: int, setting: str) -> None:
    if why := _why_taken(host, port):
        raise Misconfigured(f"{host}:{port} cannot be listened on: {why}. Set {setting}.")


def _why_taken(host: str, port: int) -> str | None:
    """Return why a port cannot be listened on; None if it can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def _runtime_home() -> str | None:
    home = os.environ.get("XDG_RUNTIME_DIR")
    return home if home and os.access(home, os.W_OK) else None


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
