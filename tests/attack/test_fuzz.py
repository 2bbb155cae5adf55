"""The short form of `make fuzz`, and what it would see of a decoder that is not confined."""

import socket
import sys

import pytest

from tests.attack import fuzz
from tests.processes import HANG_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the confinement is Linux's")


def test_hostile_and_damaged_files_are_refused_and_touch_nothing(tmp_path):
    with fuzz.confined() as read:
        assert not fuzz.run(tmp_path, read, seconds=HANG_S, most=40)


def test_a_file_that_is_opened_and_a_port_that_is_called_are_seen(tmp_path):
    canary = fuzz.Canary(tmp_path)
    assert not canary.touched()
    canary.file.read_bytes()
    assert canary.touched() == ["file"]
    canary.forget()
    socket.create_connection(("127.0.0.1", canary.port)).close()
    assert canary.touched() == ["port"]


def test_a_child_that_is_lost_fails_it(tmp_path):
    def dying(path):
        if path.name.endswith(".mkv"):
            raise RuntimeError("killed")

    wrong = fuzz.run(tmp_path, dying, seconds=HANG_S, most=10)
    assert any("killed" in line for line in wrong)
    assert any("a hostile file was read" in line for line in wrong)
