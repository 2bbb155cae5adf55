"""Operation: probes, metrics, logs, outages, shutdown."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from service.gateway.app import create_app
from service.gateway.settings import GatewaySettings
from service.gateway.usecases.job_notifier import Stage
from service.queue import keys
from service.queue.connection import connect
from tests.integration.gateway.raw_http import HEAD, connected, files, untouched, video
from tests.processes import HANG_S, free_port, gateway, process, stoppable_redis, wait_for

ASYNC = {"Prefer": "respond-async"}


def test_without_redis_everything_that_needs_it_is_unavailable_and_comes_back(tmp_path):
    with (
        stoppable_redis() as server,
        gateway(tmp_path, server.url) as (running, url),
        httpx2.Client(base_url=url) as http,
    ):
        location = http.post("/analyze", content=video(1000), headers=ASYNC).headers["location"]
        assert "mien_redis_used_bytes NaN" not in http.get("/metrics").text
        server.stop()
        for method, path in (
            ("POST", "/analyze"),
            ("GET", location),
            ("DELETE", location),
            ("GET", "/readyz"),
            ("GET", "/models"),
        ):
            answer = http.request(method, path, content=video(1000) if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable"), path
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
        assert http.get("/healthz").status_code == 200
        assert {"mien_queue_jobs NaN", "mien_redis_used_bytes NaN"} <= set(http.get("/metrics").text.splitlines())
        assert len(files(tmp_path)) == 1
        server.start()
        assert http.get("/readyz").status_code == 200
        assert http.get(location).json()["state"] == "queued"
        assert http.post("/analyze", content=video(1000), headers=ASYNC).status_code == 202
        assert not running.said("Traceback")


def test_redis_gone_in_mid_upload_is_an_error_and_the_sweeper_finds_the_blob(tmp_path):
    with stoppable_redis() as server, gateway(tmp_path, server.url) as (_, url), connected(url) as raw:
        raw.head(content_length=1000, **ASYNC)
        raw.send(video(1000)[:500])
        time.sleep(0.2)
        server.stop()
        raw.send(video(1000)[500:])
        assert raw.answer().problem["code"] == "queue_unavailable"


def test_readiness_tells_how_much_is_queued_and_who_would_work(running):
    assert running.http.get("/readyz").json() == {"status": "ok", "queued": 0, "workers": 0}
    running.http.post("/analyze", content=video(100), headers=ASYNC)
    assert running.http.get("/readyz").json() == {"status": "ok", "queued": 1, "workers": 0}
    assert running.http.get("/healthz").json() == {"status": "ok"}
    assert running.http.get("/models").json() == {"models": [], "workers": 0}


def test_a_sane_request_id_comes_back_and_stands_in_problem_and_log(running):
    for given in ("abc", "a.b_c-9", "x" * 64):
        answer = running.http.get("/analyses/none", headers={"X-Request-ID": given})
        assert answer.headers["x-request-id"] == given
        assert answer.json()["request_id"] == given
        wait_for(lambda given=given: running.process.said(f'"request_id": "{given}"'))


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b" ",
        b"x" * 65,
        b"a b",
        b"a\tb",
        b"<script>",
        b'"}{"',
        b"\xff\xfe",
        b"caf\xc3\xa9",
        b"a;b",
        b"../..",
        b"%0d%0aX: y",
    ],
)
def test_a_hostile_request_id_is_replaced(running, given):
    with connected(running.url) as raw:
        raw.send(b"GET /analyses/none HTTP/1.1\r\nHost: x\r\nX-Request-ID: " + given + b"\r\n\r\n")
        answer = raw.answer()
    if given == b"../..":
        assert "/" not in answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.problem["request_id"] == answer.headers["x-request-id"]


def test_every_request_has_an_id_of_its_own(running):
    ids = {running.http.get("/healthz").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


def test_a_redis_whose_info_was_renamed_leaves_the_other_metrics(tmp_path):
    with (
        stoppable_redis("--rename-command", "INFO", "") as server,
        gateway(tmp_path, server.url) as (_, url),
        httpx2.Client(base_url=url) as http,
    ):
        told = http.get("/metrics").text.splitlines()
    assert {"mien_queue_jobs 0.0", "mien_redis_used_bytes NaN"} <= set(told)


def test_metrics_count_by_route_and_never_by_id(running):
    location = running.http.post("/analyze", content=video(1000), headers=ASYNC).headers["location"]
    running.http.get(location)
    running.http.get("/some/page/that/is/not/there")
    answer = running.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert any(
        re.match(r'mien_gateway_requests_total\{method="POST",route="/analyze",status="202"\} ', x) for x in lines
    )
    assert any('route="/analyses/{analysis_id}"' in line for line in lines)
    assert "mien_queue_jobs 1.0" in lines
    assert "mien_workers 0.0" in lines
    assert any(line.startswith("mien_gateway_uploaded_bytes_total") for line in lines)
    assert location.rsplit("/", 1)[1] not in answer.text
    assert "not/there" not in answer.text


def test_refusals_for_want_of_room_are_counted(redis_url, tmp_path):
    with gateway(tmp_path, redis_url, queue_max_jobs=1) as (_, url), httpx2.Client(base_url=url) as http:
        for expected in (202, 503, 503):
            assert http.post("/analyze", content=video(100), headers=ASYNC).status_code == expected
        assert 'mien_gateway_refusals_total{reason="full_jobs"} 2.0' in http.get("/metrics").text


def test_the_log_is_one_json_object_a_line_without_names_of_files_or_ids_of_clients(running):
    running.http.post("/analyze?faces=2", files={"video": ("holiday-with-anna.mp4", video(100))}, headers=ASYNC)
    text = running.process.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"event", "level", "timestamp", "process"} <= lines[-1].keys()
    assert "anna" not in text
    assert "127.0.0.1" not in text


def test_a_waiting_request_gets_202_when_the_gateway_is_told_to_stop(redis_url, tmp_path):
    with gateway(tmp_path, redis_url, wait_s=4 * HANG_S) as (running, url), connected(url) as raw:
        raw.head(content_length=1000)
        raw.send(video(1000))
        with connect(redis_url) as client:
            wait_for(lambda: client.xlen(keys.QUEUE) == 1)
            time.sleep(0.2)
            running.send(signal.SIGTERM)
            answer = raw.answer()
            assert answer.status == 202
            assert answer.headers["location"].startswith("/analyses/")
            assert running.popen.wait(HANG_S) == 0
            assert client.xlen(keys.QUEUE) == 1
            assert len(files(tmp_path)) == 1


def test_an_upload_under_way_is_taken_in_while_the_gateway_stops(redis_url, tmp_path):
    with gateway(tmp_path, redis_url, drain_s=HANG_S) as (running, url), connected(url) as raw:
        raw.head(content_length=1000)
        raw.send(video(1000)[:500])
        with connect(redis_url) as client:
            wait_for(lambda: client.zcard(keys.RESERVED) == 1)
        running.send(signal.SIGTERM)
        wait_for(lambda: refuses(url))
        raw.send(video(1000)[500:])
        assert raw.answer().status == 202
        assert running.popen.wait(HANG_S) == 0


def refuses(url: str) -> bool:
    try:
        with connected(url):
            return False
    except ConnectionRefusedError:
        return True


def test_an_upload_that_does_not_end_holds_a_stop_up_for_no_longer_than_the_drain(redis_url, tmp_path):
    with gateway(tmp_path, redis_url, drain_s=1) as (running, url), connected(url) as raw, connect(redis_url) as client:
        raw.head(content_length=3_000_000)
        raw.send(video(2_000_000))
        wait_for(lambda: client.zcard(keys.RESERVED) == 1)
        assert running.end(signal.SIGTERM) == 0
        assert untouched(client, tmp_path)


def test_an_interrupt_stops_like_a_termination(redis_url, tmp_path):
    with gateway(tmp_path, redis_url) as (running, _):
        assert running.end(signal.SIGINT) == 0


def test_a_gateway_that_is_being_stopped_is_not_ready(redis_url, tmp_path):
    app = create_app(GatewaySettings(redis_url=redis_url, blobs_dir=tmp_path / "blobs", grpc_port=0))

    async def ready() -> tuple[int, int]:
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://x") as http,
        ):
            before = await http.get("/readyz")
            app.state.use_cases.notifier.enter(Stage.LEAVING)
            after = await http.get("/readyz")
            assert after.headers["retry-after"]
            return before.status_code, after.status_code

    assert asyncio.run(ready()) == (200, 503)


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("SWEEP_EVERY_S", "0"), ("REQUIRE_KEYS", "perhaps")])
def test_a_gateway_that_cannot_start_as_it_is_set_up_says_why_and_exits_with_2(name, value, redis_url, tmp_path):
    env = {"MIEN_REDIS_URL": redis_url, "MIEN_BLOBS_DIR": str(tmp_path / "blobs"), f"MIEN_{name}": value}
    with process(tmp_path, "service.gateway", env) as running:
        assert running.popen.wait(HANG_S) == 2
        assert running.said(f"MIEN_{name}") or running.said(name.lower())
        assert not running.said("Traceback")


def test_a_gateway_whose_port_is_taken_says_so_and_ends(redis_url, tmp_path, running):
    port = running.url.rsplit(":", 1)[1]
    env = {"MIEN_REDIS_URL": redis_url, "MIEN_BLOBS_DIR": str(tmp_path / "blobs"), "MIEN_PORT": port}
    with process(tmp_path, "service.gateway", env) as second:
        assert second.popen.wait(HANG_S) == 2
        assert second.said("address already in use")
        assert not second.said("Traceback")


def test_a_gateway_starts_and_lives_without_redis(tmp_path):
    with gateway(tmp_path, f"unix://{tmp_path}/none.sock") as (running, url):
        assert httpx2.get(f"{url}/healthz").status_code == 200
        assert httpx2.get(f"{url}/readyz").status_code == 503
        assert running.end() == 0


def test_a_defect_is_a_problem_without_its_traceback(running):
    answer = running.redis.set(keys.job("broken"), "not a hash")
    assert answer
    answer = running.http.get("/analyses/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "WRONGTYPE" not in answer.text
    assert running.process.said("WRONGTYPE")


HEAVY = {"torch", "onnxruntime", "cv2", "av", "numpy", "scipy", "service.worker", "service.vision", "model"}


def test_the_gateways_process_loads_no_model_and_no_decoder(tmp_path):
    script = (
        "import sys\n"
        "from service.gateway.app import create_app\n"
        "from service.gateway.settings import GatewaySettings\n"
        "create_app(GatewaySettings()).openapi()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "fastapi" in loaded
    assert not loaded & HEAVY


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_upload_touches_no_file_outside_the_store(running):
    with connected(running.url) as raw:
        raw.head(content_length=4_000_000, content_type="multipart/form-data; boundary=x")
        raw.send(b'--x\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\n' + video(3_000_000))
        wait_for(lambda: files(running.folder))
        opened = {str(fd.readlink()) for fd in Path(f"/proc/{running.process.pid}/fd").iterdir()}
        # A socket, a pipe or an event queue has no path.
        paths = {path for path in opened if path.startswith("/")} - {"/dev/null", str(running.process.log)}
        store = str(running.folder / "blobs")
        assert any(path.startswith(store) for path in paths)
        assert [path for path in paths if not path.startswith(store)] == []


def test_nothing_is_written_to_the_temporary_folder(redis_url, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    port = free_port()
    env = {
        "TMPDIR": str(temporary), "MIEN_REDIS_URL": redis_url, "MIEN_BLOBS_DIR": str(tmp_path / "blobs"),
        "MIEN_PORT": str(port),
    }  # fmt: skip
    with process(tmp_path, "service.gateway", env), httpx2.Client(base_url=f"http://127.0.0.1:{port}") as http:

        def up() -> bool:
            try:
                return http.get("/healthz").status_code == 200
            except httpx2.TransportError:
                return False

        wait_for(up)
        # Its time stamp changes with every file that comes or goes.
        before = temporary.stat().st_mtime_ns
        sent = {"video": ("a.mp4", HEAD + bytes(3_000_000))}
        assert http.post("/analyze", files=sent, headers=ASYNC).status_code == 202
        assert temporary.stat().st_mtime_ns == before
