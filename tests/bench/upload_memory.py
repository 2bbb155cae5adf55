from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.figures import Figure
from tests.processes import gateway, private_redis

_UPLOADS = 8
_BYTES = 300_000_000
_PIECE = b"\0" * (1 << 16)
_HEAD = b"\0\0\0\x18ftypisom"


def run(folder: Path) -> Iterator[Figure]:
    """Measure the greatest resident memory of a gateway that takes eight uploads of 300 MB at once."""
    with private_redis() as redis_url:
        for kind in ("raw", "multipart"):
            with gateway(folder, redis_url) as (process, url):
                idle = _resident_mb(process.pid, "VmRSS")
                statuses: list[int] = []
                clients = [threading.Thread(target=_upload, args=(url, kind, statuses)) for _ in range(_UPLOADS)]
                for client in clients:
                    client.start()
                time.sleep(0.5)
                outside = _files_outside(process.pid, folder)
                for client in clients:
                    client.join()
                assert statuses == [202] * _UPLOADS, statuses
                assert not outside, outside
                yield Figure(f"{kind}, idle", idle, "MB")
                yield Figure(f"{kind}, at most", _resident_mb(process.pid, "VmHWM"), "MB")


def _upload(url: str, kind: str, statuses: list[int]) -> None:
    before, after = b"", b""
    headers = {"Content-Type": "application/octet-stream", "Prefer": "respond-async"}
    if kind == "multipart":
        before = b'--b\r\nContent-Disposition: form-data; name="video"; filename="v.mp4"\r\n\r\n'
        after = b"\r\n--b--\r\n"
        headers["Content-Type"] = "multipart/form-data; boundary=b"
    headers["Content-Length"] = str(len(before) + _BYTES + len(after))

    def body() -> Iterator[bytes]:
        yield before + _HEAD
        left = _BYTES - len(_HEAD)
        while left:
            piece = _PIECE[: min(left, len(_PIECE))]
            left -= len(piece)
            yield piece
        yield after

    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    connection.request("POST", "/analyze", body=body(), headers=headers)
    statuses.append(connection.getresponse().status)


def _resident_mb(pid: int, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


def _files_outside(pid: int, folder: Path) -> list[str]:
    targets = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists()]
    return [
        target
        for target in targets
        if target.startswith("/") and not target.startswith((str(folder), "/dev/", "/proc/"))
    ]
