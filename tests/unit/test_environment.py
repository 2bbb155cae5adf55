"""Wrong settings are told in one sentence that names the variable."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mien.contract.errors import Misconfigured
from service.environment import read_settings
from service.gateway import app as gateway
from service.gateway.settings import GatewaySettings
from service.standalone.settings import StandaloneSettings
from service.worker import app as worker
from service.worker.settings import WorkerSettings

LIST = "{0} takes a JSON list, as in {0}='{1}'."


@pytest.mark.parametrize(
    ("kind", "variable", "value", "sentence"),
    [
        (
            GatewaySettings,
            "MIEN_ALLOWED_HOSTS",
            "mien.example.org",
            LIST.format("MIEN_ALLOWED_HOSTS", '["mien.example.org"]'),
        ),
        (GatewaySettings, "MIEN_CORS_ORIGINS", "['a', b]", LIST.format("MIEN_CORS_ORIGINS", '["a", "b"]')),
        (GatewaySettings, "MIEN_FORMATS", '"gif"', LIST.format("MIEN_FORMATS", '["gif"]')),
        (WorkerSettings, "MIEN_BUNDLES", "my model", LIST.format("MIEN_BUNDLES", '["my", "model"]')),
        (WorkerSettings, "MIEN_PROVIDERS", "cuda,cpu", LIST.format("MIEN_PROVIDERS", '["cuda", "cpu"]')),
        (
            WorkerSettings,
            "MIEN_PROVIDERS",
            '["cpu", "gpu"]',
            "MIEN_PROVIDERS, item 2, should be 'tensorrt', 'cuda', 'openvino' or 'cpu'.",
        ),
        (WorkerSettings, "MIEN_BUNDLES", "[]", "MIEN_BUNDLES should have at least 1 item after validation, not 0."),
        (
            GatewaySettings,
            "MIEN_WAIT_S",
            "abc",
            "MIEN_WAIT_S should be a valid number, unable to parse string as a number.",
        ),
        (GatewaySettings, "MIEN_WATCHERS_MAX", "0", "MIEN_WATCHERS_MAX should be greater than or equal to 1."),
        (
            GatewaySettings,
            "MIEN_CALLBACK_SECRET",
            "geheim",
            "MIEN_CALLBACK_SECRET: the secret must be whsec_ and 24 to 64 random bytes in base64.",
        ),
        (
            StandaloneSettings,
            "MIEN_GRPC_PORT",
            "8000",
            "REST and gRPC cannot share the port 8000: change --port or --grpc-port.",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_variable_and_what_it_takes(monkeypatch, kind, variable, value, sentence):
    monkeypatch.setenv(variable, value)

    with pytest.raises(Misconfigured) as told:
        read_settings(kind)

    assert told.value.detail == sentence


def test_each_of_several_wrong_values_has_its_sentence(monkeypatch):
    monkeypatch.setenv("MIEN_WAIT_S", "-1")
    monkeypatch.setenv("MIEN_PORT", "-1")

    with pytest.raises(Misconfigured, match=r"^MIEN_PORT should .*\. MIEN_WAIT_S should .*\.$"):
        read_settings(GatewaySettings)


@pytest.mark.parametrize("process", [gateway, worker])
@pytest.mark.parametrize(("variable", "value"), [("MIEN_FORMATS", "gif"), ("MIEN_DRAIN_S", "-1")])
def test_gateway_and_worker_log_the_sentence_and_exit_with_2(monkeypatch, process, variable, value):
    told = []
    monkeypatch.setattr(worker, "hide_memory", lambda: None)
    monkeypatch.setattr(process, "configure_logs", lambda *_: None)
    monkeypatch.setattr(process, "log", SimpleNamespace(error=lambda _, reason: told.append(reason)))
    monkeypatch.setenv(variable, value)

    assert process.main() == 2

    assert [sentence.split()[0] for sentence in told] == [variable]
