"""Ctrl-C while a service does not answer; the other commands have theirs in `tests/end_to_end/test_command.py`."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import HANG_S

ID = "01M8DZKXH8BZBZ4HJDQ5ZK5X2M"


@pytest.mark.parametrize(
    "arguments", [["list"], ["get", ID], ["watch", ID], ["delete", ID]], ids=lambda words: words[0]
)
def test_ctrl_c_ends_a_request_at_once(arguments: list[str]):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(HANG_S)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [Path(sys.executable).with_name("mien"), *arguments, "--url", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                connection, _ = silent.accept()
                connection.settimeout(HANG_S)
                asked = connection.recv(1 << 16)
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=HANG_S)
            finally:
                process.kill()
        connection.close()

    assert asked.startswith(b"DELETE " if arguments[0] == "delete" else b"GET ")
    assert (process.returncode, said) == (130, ("", ""))
