import socket

import httpx2
import pytest

from mien import Mien, Unreachable
from mien.client.responses import unreachable
from tests.processes import free_port


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{port}", "Connection refused"),
        ("http://no-such-host.invalid", "host name is not known"),
        ("127.0.0.1:{port}", "not a URL"),
        ("nonsense", "not a URL"),
        ("http://[::1", "not a URL"),
    ],
)
def test_a_service_that_cannot_be_reached_is_an_error_with_the_reason(url, words):
    url = url.format(port=free_port())
    with pytest.raises(Unreachable, match=words) as told, Mien(url) as mien:
        mien.models()
    assert url in told.value.detail
    assert "mien serve" in told.value.detail
    assert "--" not in told.value.detail  # a program has no flags


def test_a_service_that_does_not_respond_is_an_error(monkeypatch):
    monkeypatch.setattr("mien.client.aio._TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="timed out"), Mien(url) as mien:
            mien.models()


def test_another_failure_keeps_its_own_message():
    for said in ("A proxy refuses", "A proxy refuses."):
        assert unreachable("http://x", httpx2.ProxyError(said)).reason.endswith("http://x: A proxy refuses.")
