"""The filter's program, run by an interpreter of classic BPF, for both machines."""

from __future__ import annotations

import errno
import struct

import pytest

from service.worker.seccomp import AARCH64, X86_64, program

ALLOWED = 0x7FFF0000
KILLED = 0x80000000
PROCESS = 4711
THREAD, NEW_PROCESS = 0x3D0F00, 17  # the flags of pthread_create, and of fork
CALLS = {
    X86_64: {"read": 0, "clone": 56, "clone3": 435, "execve": 59, "socket": 41, "tgkill": 234, "prlimit": 302},
    AARCH64: {"read": 63, "clone": 220, "clone3": 435, "execve": 221, "socket": 198, "tgkill": 131, "prlimit": 261},
}


def denied(number: int) -> int:
    return 0x00050000 | number


def verdict(machine: int, call: int, *arguments: int, as_machine: int | None = None) -> int:
    data = struct.pack("<IIQ6Q", call, as_machine or machine, 0, *arguments, *[0] * (6 - len(arguments)))
    lines = program(machine, PROCESS)
    at = accumulator = 0
    while True:
        code, if_true, if_false, operand = lines[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x15:
            at += if_true if accumulator == operand else if_false
        else:
            assert code == 0x06
            return operand


@pytest.mark.parametrize("machine", CALLS, ids=["x86_64", "aarch64"])
def test_only_what_decoding_needs_is_allowed(machine: int):
    call = CALLS[machine]

    assert verdict(machine, call["read"], 0) == ALLOWED
    assert verdict(machine, call["execve"]) == denied(errno.EPERM)
    assert verdict(machine, call["socket"]) == denied(errno.EPERM)
    assert verdict(machine, call["clone"], THREAD) == ALLOWED
    assert verdict(machine, call["clone"], NEW_PROCESS) == denied(errno.EPERM)
    assert verdict(machine, call["clone3"]) == denied(errno.ENOSYS)
    assert verdict(machine, call["tgkill"], PROCESS, PROCESS + 1, 6) == ALLOWED
    assert verdict(machine, call["tgkill"], PROCESS - 1, PROCESS - 1, 9) == denied(errno.EPERM)
    assert verdict(machine, call["prlimit"], 0, 7, 0, 1) == ALLOWED
    assert verdict(machine, call["prlimit"], 0, 7, 1 << 32, 0) == denied(errno.EPERM)
    assert verdict(machine, call["prlimit"], 1, 7, 0, 1) == denied(errno.EPERM)


def test_calls_by_another_machines_numbers_are_not_made():
    i386, x32 = 0x40000003, 0x40000000

    assert verdict(X86_64, 0, as_machine=i386) == KILLED
    assert verdict(X86_64, x32 | 0) == denied(errno.EPERM)
    assert verdict(AARCH64, 63, as_machine=X86_64) == KILLED
