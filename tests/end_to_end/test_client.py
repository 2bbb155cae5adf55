"""The Python client, at a running service and at one that fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from mien.client import AsyncMien, Mien
from mien.contract.errors import Expired, NoFrames, NoSuchAnalysis, QueueFull, Unreachable
from mien.contract.events import Began, Ended
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from tests.processes import HANG_S, free_port


@pytest.fixture
def mien(served) -> Iterator[Mien]:
    with Mien(served.url) as client:
        yield client


def test_one_call_gives_a_typed_result_and_tells_its_progress(mien, face):
    told = []

    analysis = mien.analyze(face, AnalyzeOptions(hop_s=0.2), told.append)

    assert analysis.state is State.SUCCEEDED
    assert analysis.faces[0].timeline[0].expression.label
    assert told[-1].done_s == 2.0
    assert mien.get(analysis.id) == analysis
    assert analysis.id in [one.id for one in mien.analyses(State.SUCCEEDED)]
    mien.delete(analysis.id)
    with pytest.raises(Expired):
        mien.get(analysis.id)


def test_windows_are_those_of_the_answer(mien, face):
    windows = list(mien.windows(face, AnalyzeOptions(hop_s=0.2)))
    with face.open("rb") as file:
        whole = mien.analyze(file, hop_s=0.2)
    assert len(whole.to_pandas()) == len(windows)

    assert sorted(window.start_s for window in windows) == [window.start_s for window in whole.faces[0].timeline]


def test_what_goes_wrong_is_an_error_of_its_class(mien, face, tmp_path):
    with pytest.raises(NoFrames):
        mien.analyze(face, AnalyzeOptions(start_s=100))
    with pytest.raises(NoSuchAnalysis):
        mien.get("nothing")
    with pytest.raises(FileNotFoundError):
        mien.analyze(tmp_path / "none.mp4")


def test_a_repeated_key_gets_the_same_analysis(mien, face):
    one, same = (mien.submit(face, idempotency_key="client-1") for _ in range(2))
    assert one.id == same.id
    events = list(mien.watch(one.id))
    assert isinstance(events[0], Began)
    assert isinstance(events[-1], Ended)


def test_asyncio_analyses_many_at_once(served, face, faceless):
    async def both():
        async with AsyncMien(served.url) as mien:
            assert (await mien.models()).workers == 1
            return await asyncio.gather(mien.analyze(face), mien.analyze(faceless))

    one, none = asyncio.run(both())
    assert (len(one.faces), none.faces) == (1, [])


def test_it_works_where_an_event_loop_runs_already(served, faceless):
    async def notebook():
        with Mien(served.url) as mien:
            return mien.analyze(faceless)

    assert asyncio.run(notebook()).faces == []


def test_a_service_that_does_not_run_is_an_error_at_once():
    with Mien(f"http://127.0.0.1:{free_port()}") as mien, pytest.raises(Unreachable, match="refused"):
        mien.models()


def test_a_client_that_is_not_closed_lets_the_interpreter_exit(served):
    program = f"""
from mien import Mien
mien = Mien({served.url!r})
print(mien.models().workers)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG_S, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_closing_cancels_the_calls_of_other_threads():
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as threads:
        mien = Mien(f"http://127.0.0.1:{silent.getsockname()[1]}")
        call = threads.submit(mien.models)
        connection, _ = silent.accept()
        mien.close()
        assert isinstance(call.exception(HANG_S), asyncio.CancelledError)
        connection.close()
    mien.close()


class Endless(BaseHTTPRequestHandler):
    """It accepts a video, tells a window of it, and never comes to its end."""

    deleted: ClassVar[list[str]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(202, "application/json", ACCEPTED)

    def do_GET(self):
        self.answer(200, "text/event-stream", 'id: 1\nevent: window\ndata: {"track": 0, "start_s": 0, "end_s": 1}\n\n')
        self.connection.recv(1)  # nothing comes until the client leaves

    def do_DELETE(self):
        self.deleted.append(self.path)
        self.answer(204, "application/json", "")

    def answer(self, status, kind, text):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if self.command != "GET":
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
        self.wfile.flush()

    def log_message(self, *_):
        pass


ACCEPTED = json.dumps(
    {
        "id": "a",
        "state": "queued",
        "created_at": "2026-01-01T00:00:00Z",
        "progress": {"done_s": 0, "total_s": None},
        "warnings": [],
    }
)


@pytest.mark.parametrize("how", ["break", "close", "ctrl-c"])
def test_windows_that_are_left_before_the_end_leave_no_analysis_behind(how):
    Endless.deleted.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mien = Mien(f"http://127.0.0.1:{server.server_port}")
        windows = mien.windows(b"a video")
        assert next(windows).track == 0
        if how == "break":
            windows.close()
        elif how == "ctrl-c":
            threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
            with pytest.raises(KeyboardInterrupt):
                next(windows)
        mien.close()
        server.shutdown()

    assert Endless.deleted == ["/analyses/a"]


class Moody(BaseHTTPRequestHandler):
    """Full twice, then it breaks an answer off, then it answers."""

    asked: ClassVar[list[tuple[float, str | None, int]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append((time.monotonic(), self.headers["idempotency-key"], len(body)))
        if len(self.asked) < 3:
            problem = {"code": "queue_full", "title": "Full", "detail": "The service is full."}
            self.answer(503, problem, {"Retry-After": "1"})
        elif len(self.asked) == 3:
            self.connection.close()
        else:
            progress = {"done_s": 0, "total_s": None}
            when = "2026-01-01T00:00:00Z"
            self.answer(202, {"id": "a", "state": "queued", "created_at": when, "progress": progress, "warnings": []})

    def answer(self, status, content, headers=None):
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def moody() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    Moody.asked.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_fails_for_now_is_sent_again_under_the_same_key(moody, face):
    with Mien(moody) as mien:
        assert mien.submit(face).id == "a"

    times, keys, sizes = zip(*Moody.asked, strict=True)
    assert len(set(keys)) == 1
    assert set(sizes) == {face.stat().st_size}
    assert times[1] - times[0] >= 1
    assert times[2] - times[1] >= 1


def test_patience_ends(moody, face):
    with Mien(moody, patience_s=0.5) as mien, pytest.raises(QueueFull):
        mien.submit(face)
    assert len(Moody.asked) == 1


def test_it_needs_none_of_the_servers_packages():
    program = """
import sys
heavy = ("fastapi", "uvicorn", "redis", "obstore", "onnxruntime", "cv2", "av", "numpy", "grpc", "torch")
sys.modules.update(dict.fromkeys(heavy))
from mien.client import AsyncMien, Mien
"""
    subprocess.run([sys.executable, "-c", program], check=True)
