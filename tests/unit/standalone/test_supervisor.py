"""`mien serve` while its children start, and what it prints when they have."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import pytest

from service.gateway.settings import GatewaySettings
from service.standalone import supervisor
from service.standalone.settings import StandaloneSettings
from service.worker.settings import WorkerSettings
from tests.processes import free_port
from tests.unit.mien.http_service import Request, responding

ALIVE = SimpleNamespace(name="worker", exit_code=lambda: None)


def test_children_that_live_are_waited_for_however_slow_the_machine_is(monkeypatch: pytest.MonkeyPatch):
    stopping, said = threading.Event(), []

    def warn(_: str, *, waiting_for: str) -> None:
        said.append(waiting_for)
        if len(said) == 3:
            stopping.set()

    hours = itertools.count(step=3600)
    monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: next(hours)))
    monkeypatch.setattr(supervisor, "log", SimpleNamespace(warning=warn))

    supervisor._await_ready([ALIVE], f"http://127.0.0.1:{free_port()}", stopping)

    assert said == ["the worker and the gateway"] * 3


def test_a_proxy_is_never_asked_and_a_response_that_is_no_http_is_waited_out(monkeypatch: pytest.MonkeyPatch):
    stopping, requests = threading.Event(), []
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)

    def respond(request: Request) -> None:
        requests.append(request.path)
        if len(requests) == 1:
            request.wfile.write(b"no HTTP\r\n")
        else:
            request.respond(200, '{"workers": 1}')

    with responding(respond) as url:
        hang = threading.Timer(60, stopping.set)
        hang.start()
        supervisor._await_ready([ALIVE], url, stopping)
        hang.cancel()

    assert not stopping.is_set()
    assert requests == ["/readyz", "/readyz"]


@pytest.mark.parametrize(
    ("host", "port", "name", "options"),
    [
        ("127.0.0.1", 8000, "127.0.0.1", ""),
        ("127.0.0.1", 18531, "127.0.0.1", "--url http://127.0.0.1:18531 "),
        ("::1", 8000, "[::1]", "--url http://[::1]:8000 "),
        ("0.0.0.0", 8000, "localhost", "--url http://localhost:8000 --key KEY "),
        ("::", 8100, "localhost", "--url http://localhost:8100 --key KEY "),
    ],
)
def test_what_it_prints_reaches_the_service(host, port, name, options):
    said = supervisor.welcome(StandaloneSettings(host=host, port=port), GatewaySettings(host=host))

    assert f"Mien is ready at http://{name}:{port}\n" in said
    assert f"  gRPC       {name}:50051\n" in said
    assert f"  try        mien analyze {options}clip.mp4\n" in said
    assert ("mien keys create\n" in said) == ("--key" in options)


def test_it_names_the_folder_in_which_keys_are_created(tmp_path):
    settings = StandaloneSettings(host="0.0.0.0", data_dir=tmp_path / "my data")

    assert f"mien keys create --data '{tmp_path}/my data'" in supervisor.welcome(settings, GatewaySettings(host="::"))


def test_the_port_that_a_second_instances_worker_leaves_alone_is_the_workers_default():
    assert WorkerSettings.model_fields["metrics_port"].default == supervisor._WORKERS_METRICS_PORT
