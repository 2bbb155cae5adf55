"""Check the addresses of callbacks: only those of the public internet, unless the operator allows private ones (SSRF).

A host name is resolved once, all its addresses are checked, and the connection goes to a checked address: if the name
were resolved again, it could have another address by then (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from concurrent.futures import Executor
from functools import partial

import httpx2

from mien.contract.errors import InvalidOption

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
# An IPv6 address, or labels of 1 to 63 characters (RFC 1035) with the underscores that internal networks use.
_HOST = re.compile(
    r"[0-9a-f.]*:[0-9a-f.:]*|(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.ASCII | re.IGNORECASE
)


class NotPublic(Exception):
    """A host name that resolves to a private address."""


def parse_callback_url(text: str, *, allow_private: bool) -> httpx2.URL:
    """Parse and check the URL of a callback, and encode what is not ASCII (IDNA, percent-encoding).

    Raises:
        InvalidOption: the text is not a URL that can be called, or its host is a private address.
    """
    try:
        url = httpx2.URL(text)
        host = url.raw_host.decode()
        usable = (
            url.scheme in _PORTS
            and _HOST.fullmatch(host) is not None
            and not url.userinfo
            and (url.port is None or 0 < url.port < 1 << 16)
        )
    except (httpx2.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise InvalidOption(
            "callback_url: use an http or https URL with a valid host name and without a user name, such as "
            "https://example.org/done."
        )
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        local = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    else:
        local = not is_public(address)
    if local and not allow_private:
        raise InvalidOption(
            f"callback_url: {host[:80]} is not on the public internet. The service's operator can allow private "
            "addresses with MIEN_CALLBACK_PRIVATE."
        )
    return url


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Global for `ipaddress` in some Python versions, although no host on the internet has them.
_RESERVED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments, RFC 6890
        "192.88.99.0/24",  # relays of 6to4, RFC 7526
        "2001::/23",  # protocol assignments, among them Teredo, RFC 4380
        "2001:db8::/32",  # documentation, RFC 3849
        "3fff::/20",  # documentation, RFC 9637
    )
)


def is_public(address: Address) -> bool:
    """Return whether an address is on the public internet; if it embeds an IPv4 address, that one decides."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
        if address not in _GLOBAL_UNICAST:
            return False
    reserved = any(address.version == network.version and address in network for network in _RESERVED)
    return address.is_global and not address.is_multicast and not reserved


async def resolve(url: httpx2.URL, resolver: Executor, *, allow_private: bool) -> str:
    """Resolve a URL's host, check all its addresses and return one.

    Args:
        url: the URL.
        resolver: runs the system's resolver, which takes long for a name whose name server does not answer: nothing
            else may wait for these threads.
        allow_private: whether private addresses are allowed.

    Raises:
        NotPublic: one of the addresses is not public.
        OSError: the name cannot be resolved.
    """
    host, port = url.raw_host.decode(), url.port or _PORTS[url.scheme]
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(resolver, look_up)
    addresses = [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise NotPublic(f"{host} resolves to {address}")
    return str(addresses[0])
