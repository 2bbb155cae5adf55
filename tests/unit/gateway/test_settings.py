import pytest
from pydantic import ValidationError

from service.gateway.settings import GatewaySettings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_addresses_keys_are_needed_only_if_it_is_said(host):
    assert not GatewaySettings(host=host).keys_required
    assert GatewaySettings(host=host, require_keys=True).keys_required


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.0.1", "8.8.8.8", "example.com", "", "localhost.example.com"]
)
def test_on_any_other_address_every_request_needs_a_key(host):
    assert GatewaySettings(host=host).keys_required
    assert GatewaySettings(host=host, require_keys=False).keys_required


def test_the_environment_is_read_with_the_prefix(monkeypatch):
    monkeypatch.setenv("MIEN_PORT", "1234")
    monkeypatch.setenv("MIEN_UPLOAD_MAX_BYTES", "99")
    monkeypatch.setenv("PORT", "4321")
    settings = GatewaySettings()
    assert (settings.port, settings.upload_max_bytes) == (1234, 99)


def test_the_defaults_are_those_of_the_plan(monkeypatch):
    for name in ("MIEN_UPLOAD_MAX_BYTES", "MIEN_WAIT_S", "MIEN_HOST", "MIEN_PORT"):
        monkeypatch.delenv(name, raising=False)
    settings = GatewaySettings()
    assert settings.upload_max_bytes == 2 << 30
    assert settings.wait_s == 60
    assert settings.results_ttl_s == 24 * 3600
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65536),
        ("port", -1),
        ("upload_max_bytes", 0),
        ("upload_idle_s", 0),
        ("queue_max_jobs", 0),
        ("drain_s", -1),
    ],
)
def test_values_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        GatewaySettings(**{name: value})
