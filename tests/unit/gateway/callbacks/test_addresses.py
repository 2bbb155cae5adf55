import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from mien.contract.errors import InvalidOption
from service.gateway.callbacks.addresses import NotPublic, is_public, parse_callback_url, resolve


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "192.0.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"],
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:db8::1",
        "2001:0:7f00:1::80ff:fffe",
        "64:ff9b:1::808:808", "64:ff9b:1:ffff::7f00:1", "64:ff9b::a00:1", "::7f00:1", "::808:808", "::ffff:0:7f00:1",
        "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.88.99.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "240.0.0.1",
        "100::1", "2001:2::1", "2001:10::1", "2001:0:808:808::f7f7:f7f7", "2002:a00:1::", "2002:c0a8:101::1", "3fff::1",
        "5f00::1", "fec0::1", "fe80::a9fe:a9fe", "4000::1", "::ffff:192.0.0.8",
    ],
)  # fmt: skip
def test_all_others_are_not_however_they_are_wrapped(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url", ["https://example.org/done?x=1", "http://example.org:8080/", "https://[2606:4700::1111]/"]
)
def test_urls_of_the_internet_are_taken(url):
    assert str(parse_callback_url(url, allow_private=False)) == url


def test_what_is_not_ascii_is_encoded():
    url = parse_callback_url("https://bücher.例え.org:8443/für?wen=ü", allow_private=False)
    assert str(url) == "https://xn--bcher-kva.xn--r8jz45g.org:8443/f%C3%BCr?wen=%C3%BC"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.0.0.1:8000/x", "https://localhost/", "https://printer.local/", "http://[::1]/",
        "http://169.254.169.254/latest/meta-data", "http://metadata.google.internal/", "http://[::ffff:10.0.0.1]/",
    ],
)  # fmt: skip
def test_private_ones_are_refused_unless_the_operator_allows_them(url):
    with pytest.raises(InvalidOption, match="MIEN_CALLBACK_PRIVATE"):
        parse_callback_url(url, allow_private=False)
    assert parse_callback_url(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org/", "https://", "https://a:b@example.org/", "https://example.org:99999/",
     "https://example.org:0/", "file:///etc/passwd", "https://[::1", "javascript:alert(1)", "https://example.org:-1/",
     "https://exämple.org:ü/", "https://jürgen@example.org/", "https://example.org\n/", "https://[fe80::1%25eth0]/"],
)  # fmt: skip
def test_what_is_no_url_is_refused_whatever_is_allowed(url):
    with pytest.raises(InvalidOption, match="use an http or https URL"):
        parse_callback_url(url, allow_private=True)


@pytest.mark.parametrize(
    "host",
    ["a..org", ".org", "a" * 64 + ".org", "a." * 127 + "org", "ä" * 60 + ".org", "☃.org", "exa mple.org",
     "ex%41mple.org", "exa\u0308mple.org", "-ä.org", "example.org\\"],
)  # fmt: skip
def test_a_host_that_no_name_server_can_know_is_refused(host):
    with pytest.raises(InvalidOption, match="valid host name"):
        parse_callback_url(f"https://{host}/", allow_private=True)


@pytest.fixture
def resolved(monkeypatch):
    """Resolve a URL by a name server that gives these addresses."""

    def resolved(url, *addresses, allow_private=False):
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _, port, **__: [(0, 0, 0, "", (address, port)) for address in addresses]
        )
        parsed = parse_callback_url(url, allow_private=allow_private)
        with ThreadPoolExecutor(1) as resolver:
            return asyncio.run(resolve(parsed, resolver, allow_private=allow_private))

    return resolved


def test_a_name_is_resolved_to_an_address_that_was_checked(resolved):
    assert resolved("https://example.org/", "8.8.8.8", "2606:4700::1111") == "8.8.8.8"


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("fe80::1%eth0",)])
def test_a_name_that_also_stands_for_a_private_address_is_refused(resolved, addresses):
    with pytest.raises(NotPublic):
        resolved("https://example.org/", *addresses)
    assert resolved("https://example.org/", *addresses, allow_private=True)
