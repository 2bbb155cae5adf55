"""Test docker-compose.yml on this machine, and print each result: `make e2e-compose [VIDEO=clip.mp4]`.

Needs a Docker engine and docker-compose. It has its own project name, so nothing else is touched, and leaves
nothing behind. NETWORK=host builds with the host's network; COMPOSE="docker compose" tries another Compose.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2

from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub

ROOT = Path(__file__).parents[1]
PROJECT = "mien-e2e"
COMPOSE = shlex.split(os.environ.get("COMPOSE") or "docker-compose")
PORT, GRPC_PORT = 18000, 15051
ENVIRONMENT = {**os.environ, "MIEN_PORT": str(PORT), "MIEN_GRPC_PORT": str(GRPC_PORT), "COMPOSE_PROJECT_NAME": PROJECT}
LONG_S = 120


def run(*command: str, check: bool = True) -> str:
    """Run a command in the repository's folder and return its output."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)  # noqa: S603
    if check and done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return done.stdout


def compose(*arguments: str, check: bool = True) -> str:
    """Run Compose."""
    return run(*COMPOSE, *arguments, check=check)


def saw(what: str) -> None:
    """Print a result."""
    print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)  # noqa: T201 - what the command is for


def expect(truth: object, what: str) -> None:
    """Print a result, or exit."""
    if not truth:
        raise SystemExit(f"NOT SO: {what}")
    saw(what)


def wait_for(what: Callable[[], object], seconds: float, name: str) -> None:
    """Wait until `what` is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if what():
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"NOT SO within {seconds:g} s: {name}\n{compose('logs', '--tail=40', check=False)}")


def build() -> None:
    """Build the images and print their sizes."""
    network = [f"--network={os.environ['NETWORK']}"] if "NETWORK" in os.environ else []
    for target in ("gateway", "worker"):
        began = time.monotonic()
        run("docker", "build", *network, "--target", target, "--tag", f"mien-{target}", ".")
        size = int(run("docker", "image", "inspect", "--format", "{{.Size}}", f"mien-{target}"))
        saw(f"the image mien-{target} was built in {time.monotonic() - began:.0f} s and has {size / 1e6:.0f} MB")


def inside(service: str, code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a running container."""
    command = [*COMPOSE, "exec", "-T", *flags, service, "python", "-c", code]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)  # noqa: S603


def analyse(http: httpx2.Client, video: Path, **headers: str) -> dict[str, Any]:
    """Upload a video."""
    answer = http.post("/analyze", content=video.read_bytes(), headers={"Content-Type": "video/mp4", **headers})
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def by_grpc(video: Path, *metadata: tuple[str, str]) -> str:
    """Analyse a video by gRPC; return how it ended, or the status that refuses it."""

    def parts() -> Iterator[pb.AnalyzeRequest]:
        yield pb.AnalyzeRequest(options=pb.Options())
        content = video.read_bytes()
        for start in range(0, len(content), 1 << 18):
            yield pb.AnalyzeRequest(chunk=content[start : start + (1 << 18)])

    with grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}") as channel:
        try:
            *_, last = AffectServiceStub(channel).Analyze(parts(), metadata=metadata, timeout=LONG_S)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(pb.State.Name(last.event.ended.state))


def try_it(video: Path) -> None:
    """Run all checks."""
    key = compose("run", "--rm", "gateway", "mien", "keys", "create", "e2e").strip()
    expect(key.startswith("mien_"), "`docker-compose run --rm gateway mien keys create` gives a key")
    compose("up", "-d", "--no-build")
    url = f"http://127.0.0.1:{PORT}"
    with httpx2.Client(base_url=url, timeout=LONG_S, headers={"Authorization": f"Bearer {key}"}) as http:
        wait_for(lambda: http.get("/readyz").json()["workers"], LONG_S, "the service is ready with a worker")
        saw("`docker-compose up -d` ends in a service that answers, with a worker")
        found = analyse(http, video)
        expect(found["state"] == "succeeded", f"a video through REST: {len(found['faces'])} face(s)")
        authorization = ("authorization", http.headers["authorization"])
        expect(by_grpc(video, authorization) == "STATE_SUCCEEDED", "the same through gRPC")
        keys(url, video, found["id"])
        redis()
        isolation()
        killed(http, video)
        compose("up", "-d", "--no-build", "--scale", "worker=2")
        wait_for(lambda: http.get("/readyz").json()["workers"] == 2, LONG_S, "two workers")
        saw("`docker-compose up --scale worker=2`: two workers")
    stopped()


def keys(url: str, video: Path, others: str) -> None:
    """Check that requests without a key, with another's key or with a revoked key are refused."""
    refused = httpx2.post(f"{url}/analyze", content=video.read_bytes())
    expect(refused.status_code == 401, "without a key REST refuses a video (401)")
    expect(by_grpc(video) == "UNAUTHENTICATED", "without a key gRPC refuses it (UNAUTHENTICATED)")
    bearer = {"Authorization": f"Bearer {compose('exec', '-T', 'gateway', 'mien', 'keys', 'create', 'other').strip()}"}
    answer = httpx2.get(f"{url}/analyses/{others}", headers=bearer)
    expect(answer.status_code == 404, "another key does not see that analysis (404)")
    listed = compose("exec", "-T", "gateway", "mien", "keys", "list").splitlines()
    expect([line.split()[-1] for line in listed] == ["e2e", "other"], "`mien keys list` names both keys")
    compose("exec", "-T", "gateway", "mien", "keys", "revoke", listed[1].split()[0])
    answer = httpx2.get(f"{url}/models", headers=bearer)
    expect(answer.status_code == 401, "a key that `mien keys revoke` ended is refused (401)")


def redis() -> None:
    """Check the settings of Redis."""

    def cli(*command: str, login: str = 'REDISCLI_AUTH="$(cat /run/mien/redis-password)" ') -> list[str]:
        return compose("exec", "-T", "redis", "sh", "-c", f"{login}redis-cli {shlex.join(command)}").split()

    expect("NOAUTH" in cli("ping", login=""), "Redis wants its password")
    held = {name: cli("config", "get", name)[1] for name in ("appendonly", "appendfsync", "maxmemory-policy")}
    expect(list(held.values()) == ["yes", "always", "noeviction"], f"Redis has {held}")
    most, limit = int(cli("config", "get", "maxmemory")[1]), inspect("redis")["HostConfig"]["Memory"]
    expect(0 < most < limit, f"Redis refuses what is over {most / 1e6:.0f} MB; it is killed at {limit / 1e6:.0f} MB")


def inspect(service: str) -> dict[str, Any]:
    """Return the engine's description of a running container."""
    [found] = json.loads(run("docker", "inspect", compose("ps", "-q", service).split()[0]))
    return dict(found)


def isolation() -> None:
    """Check that the containers have few rights, and that a worker reaches no network but a gateway does."""
    for service in ("redis", "gateway", "worker"):
        limits = inspect(service)["HostConfig"]
        shut = limits["ReadonlyRootfs"] and limits["CapDrop"] == ["ALL"] and limits["PidsLimit"] > 0
        status = compose("exec", "-T", service, "cat", "/proc/1/status").splitlines()
        has = {name: value.split()[0] for name, _, value in (line.partition(":") for line in status) if value.split()}
        shut = shut and has["Uid"] != "0" and int(has["CapEff"], 16) == 0 and has["NoNewPrivs"] == "1"
        expect(shut, f"{service}: read-only, user {has['Uid']}, no capabilities, no new privileges")
    ports = [service for service in ("redis", "gateway", "worker") if inspect(service)["HostConfig"]["PortBindings"]]
    expect(ports == ["gateway"], "only the gateway has ports on this machine")
    for place in ("/etc/x", "/opt/venv/x", "/usr/x"):
        said = inside("worker", f"open({place!r}, 'w')", "--user=0").stderr
        expect("Read-only file system" in said, f"{place} cannot be written in the worker")
    form = "{{(index .IPAM.Config 0).Gateway}}"
    host = run("docker", "network", "inspect", "--format", form, f"{PROJECT}_outside").strip()
    expect(_reaches("gateway", host, PORT), f"the gateway reaches the machine at {host}:{PORT}")
    for there, port in ((host, PORT), ("1.1.1.1", 443), ("169.254.169.254", 80)):
        expect(not _reaches("worker", there, port), f"the worker does not reach {there}:{port}")
    expect(
        inside("gateway", "import numpy").returncode and inside("gateway", "import onnxruntime").returncode,
        "the gateway has no packages of machine learning",
    )


def _reaches(service: str, host: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(({host!r}, {port}), timeout=5)"
    return inside(service, code).returncode == 0


def killed(http: httpx2.Client, video: Path) -> None:
    """Kill the worker while it works; the job still ends, once."""
    ids = [analyse(http, video, Prefer="respond-async")["id"] for _ in range(6)]
    wait_for(lambda: any(state(http, one) == "running" for one in ids), LONG_S, "a job runs")
    compose("kill", "-s", "KILL", "worker")
    running = [one for one in ids if state(http, one) == "running"]
    expect(running, f"the worker was killed with {len(running)} job(s) running")
    compose("up", "-d", "--no-build")
    began = time.monotonic()
    wait_for(lambda: all(state(http, one) == "succeeded" for one in ids), LONG_S, "all jobs end")
    saw(f"all {len(ids)} jobs succeeded, {time.monotonic() - began:.0f} s after the next worker was started")


def stopped() -> None:
    """Stop the containers; each exits by itself."""
    compose("stop", "gateway", "worker")
    ids = compose("ps", "-a", "-q", "gateway", "worker").split()
    codes = [run("docker", "inspect", "--format", "{{.State.ExitCode}}", one).strip() for one in ids]
    expect(codes == ["0"] * 3, "SIGTERM reaches the gateway and the workers, which end with 0")


def state(http: httpx2.Client, analysis_id: str) -> str:
    """Return an analysis's state."""
    return str(http.get(f"/analyses/{analysis_id}").json()["state"])


def main() -> None:
    """Build and test, and remove everything in any case."""
    video = Path(os.environ.get("VIDEO") or sample())
    build()
    try:
        try_it(video)
    finally:
        compose("down", "-v", "--remove-orphans", check=False)
    left = run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}")
    left += run("docker", "volume", "ls", "-q", "--filter", f"name={PROJECT}")
    left += run("docker", "network", "ls", "-q", "--filter", f"name={PROJECT}")
    expect(not left.strip(), "`docker-compose down -v` leaves nothing")


def sample() -> Path:
    """Make a video."""
    sys.path.insert(0, str(ROOT))
    from tests.videos import face_video

    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    return face_video(folder / "face.mp4", seconds=8.0)


if __name__ == "__main__":
    main()
