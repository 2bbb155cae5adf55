"""Raw HTTP, for requests that no client library would send; and the state of the store and the queue."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from service.queue import keys
from tests.processes import HANG_S

# The shortest accepted beginning of a video; no test here has a worker to decode it.
HEAD = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"


def video(size: int) -> bytes:
    return HEAD + bytes(size - len(HEAD))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        return json.loads(self.body)


class Raw:
    """A connection to a gateway."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=HANG_S)
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self, method: str = "POST", path: str = "/analyze", **headers: object) -> None:
        """Send a request's head; `content_length=5` is `Content-Length: 5`."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def answer(self) -> Answer:
        """Read one response, including `100 Continue`."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        status_line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        if "content-length" in headers or headers.get("connection") != "close":
            body = self._exactly(int(headers.get("content-length", 0)))
        else:
            body = self._rest()
        return Answer(int(status_line.split()[1]), headers, body)

    def closed(self) -> bool:
        """Return whether the server has closed the connection, after waiting for it to."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._receive()
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _rest(self) -> bytes:
        while data := self.socket.recv(65536):
            self._buffer += data
        return self._buffer

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"closed after {self._buffer!r}"
        self._buffer += data


@contextmanager
def connected(url: str) -> Iterator[Raw]:
    raw = Raw(url)
    try:
        yield raw
    finally:
        raw.socket.close()


def unreading(url: str) -> socket.socket:
    """Return a connection whose client reads nothing, and for which the system buffers little."""
    host, port = url.removeprefix("http://").split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    raw.connect((host, int(port)))
    return raw


def files(folder: Path) -> list[Path]:
    """Return every file of the store under `folder`, unfinished ones too."""
    return sorted(file for file in (folder / "blobs").rglob("*") if file.is_file())


def untouched(client: redis.Redis, folder: Path) -> bool:
    """Return whether there is no job, no reservation and no blob."""
    return not (
        client.xlen(keys.QUEUE)
        or client.zcard(keys.LIVE)
        or client.zcard(keys.RESERVED)
        or client.hlen(keys.RESERVED_BYTES)
        or client.keys("mien:job:*")
        or files(folder)
    )
