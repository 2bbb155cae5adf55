"""Ctrl-C while a service, Redis or a file does not answer; `test_command.py` has Ctrl-C during an analysis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import HANG_S

ID = "01M8DZKXH8BZBZ4HJDQ5ZK5X2M"


def mien(*arguments: object, **env: str) -> subprocess.Popen:
    command = [Path(sys.executable).with_name("mien"), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, **env}, **pipes)


def interrupt(process: subprocess.Popen) -> tuple[int, tuple[str, str]]:
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=HANG_S)
    return process.returncode, said


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(HANG_S)
        yield server


def asked_of(server: socket.socket) -> tuple[socket.socket, bytes]:
    connection, _ = server.accept()
    connection.settimeout(HANG_S)
    return connection, connection.recv(1 << 16)


@pytest.mark.parametrize(
    "arguments", [["list"], ["get", ID], ["watch", ID], ["delete", ID]], ids=lambda words: words[0]
)
def test_ctrl_c_ends_a_request_at_once(silent: socket.socket, arguments: list[str]):
    with mien(*arguments, "--url", f"http://127.0.0.1:{silent.getsockname()[1]}") as process:
        try:
            connection, asked = asked_of(silent)
            with connection:
                ended = interrupt(process)
        finally:
            process.kill()

    assert asked.startswith(b"DELETE " if arguments[0] == "delete" else b"GET ")
    assert ended == (130, ("", ""))


@pytest.mark.parametrize("arguments", [["create"], ["list"], ["revoke", "abcdefgh"]], ids=lambda words: words[0])
def test_ctrl_c_ends_the_commands_for_keys(silent: socket.socket, arguments: list[str]):
    with mien("keys", *arguments, MIEN_REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}") as process:
        try:
            connection, _ = asked_of(silent)
            with connection:
                ended = interrupt(process)
        finally:
            process.kill()

    assert ended == (130, ("", ""))


def test_ctrl_c_ends_the_check_of_a_bundle(tmp_path: Path):
    os.mkfifo(tmp_path / "manifest.json")  # its reader waits for what is written, which is nothing
    with mien("bundles", "check", tmp_path) as process:
        try:
            with (tmp_path / "manifest.json").open("w"):  # opens once the command reads
                ended = interrupt(process)
        finally:
            process.kill()

    assert ended == (130, ("", ""))
