"""Where a callback may go: to addresses of the public internet only, unless the operator allows others.

A name is resolved once, all that it stands for is checked, and the connection is made to an address that was checked:
a name that is resolved again may stand for something else by then (DNS rebinding).
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
    """A name that stands for an address which callbacks do not go to; says which."""


def parse_callback_url(text: str, *, allow_private: bool) -> SplitResult:
    """Return the parts of a callback's URL.

    Raises:
        InvalidOption: it is none, or its host is an address that callbacks do not go to.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidOption("callback_url: a URL such as https://example.org/done is expected, without a user name.")
    host = str(parts.hostname)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        local = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    else:
        local = not is_public(address)
    if local and not allow_private:
        raise InvalidOption(
            f"callback_url: {host[:80]} is no address of the public internet, and callbacks go to such ones only. The "
            "operator can allow others: MIEN_CALLBACK_PRIVATE."
        )
    return parts


def is_public(address: Address) -> bool:
    """Say whether an address, and each that is wrapped in it, is one of the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if int(address) >> 32 == int(ipaddress.IPv6Address("64:ff9b::")) >> 32:  # RFC 6052
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(inner is not None and not is_public(inner) for inner in wrapped):
            return False
    return address.is_global and not address.is_multicast


async def resolve(parts: SplitResult, *, allow_private: bool) -> str:
    """Return an address that a URL's host stands for, checked.

    Raises:
        NotPublic: one of its addresses is not public.
        OSError: the name stands for nothing.
    """
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise NotPublic(f"{host} stands for {address}")
    return str(addresses[0])
