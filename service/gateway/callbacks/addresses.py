"""Check the addresses of callbacks: only those of the public internet, unless the operator allows private ones (SSRF).

A host name is resolved once, all its addresses are checked, and the connection goes to a checked address: if the name
were resolved again, it could have another address by then (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from mien.contract.errors import InvalidOption

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}


class NotPublic(Exception):
    """A host name that resolves to a private address."""


def parse_callback_url(text: str, *, allow_private: bool) -> SplitResult:
    """Parse and check the URL of a callback.

    Raises:
        InvalidOption: the text is not a URL, or its host is a private address.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidOption(
            "callback_url: use an http or https URL without a user name, such as https://example.org/done."
        )
    host = str(parts.hostname)
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
    return parts


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


async def resolve(parts: SplitResult, *, allow_private: bool) -> str:
    """Resolve a URL's host, check all its addresses and return one.

    Raises:
        NotPublic: one of the addresses is not public.
        OSError: the name cannot be resolved.
    """
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise NotPublic(f"{host} resolves to {address}")
    return str(addresses[0])
