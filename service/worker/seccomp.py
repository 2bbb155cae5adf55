"""seccomp: restrict this process to the system calls that decoding needs; all others return EPERM.

The filter is a program of classic BPF that the kernel runs at each call over `struct seccomp_data`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import sys
import termios
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from service.worker import kernel

# AUDIT_ARCH of linux/audit.h
X86_64 = 0xC000003E
AARCH64 = 0xC00000B7
_MACHINES = {"x86_64": X86_64, "aarch64": AARCH64}

# linux/seccomp.h
_SET_MODE_FILTER = 1
_ALL_THREADS = 1
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_ALLOW = 0x7FFF0000
_SECCOMP = {X86_64: 317, AARCH64: 277}

# linux/bpf_common.h
_LOAD = 0x20  # a word at an offset
_AND = 0x54
_RETURN = 0x06
_IF_EQUAL = 0x15

# struct seccomp_data: the call's number, the machine, the instruction pointer, then the arguments of 64 bits each.
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16

_CLONE_THREAD = 0x00010000
_PR_SET_NAME = 15
_PR_SET_VMA = 0x53564D41  # libc names memory
_WRITES = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
_PROT_EXEC = 4


class Numbers(NamedTuple):
    """A system call's number on each machine; None where the machine has no such call."""

    x86_64: int | None
    aarch64: int | None


@dataclass(frozen=True)
class Argument:
    """A condition on an argument: 32 of its 64 bits, under `mask`, are one of `values`.

    The lower half is enough where the kernel takes an int, or looks at single flags.
    """

    index: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    upper: bool = False


# Whatever the arguments are. Nothing here names another process, opens a file, or makes a socket or a process.
_ALLOWED = {
    # files and pipes that are open
    "read": Numbers(0, 63),
    "write": Numbers(1, 64),
    "readv": Numbers(19, 65),
    "writev": Numbers(20, 66),
    "pread64": Numbers(17, 67),
    "lseek": Numbers(8, 62),
    "close": Numbers(3, 57),
    "poll": Numbers(7, None),
    "ppoll": Numbers(271, 73),
    # attributes of files
    "stat": Numbers(4, None),
    "lstat": Numbers(6, None),
    "fstat": Numbers(5, 80),
    "newfstatat": Numbers(262, 79),
    "statx": Numbers(332, 291),
    "access": Numbers(21, None),
    "faccessat": Numbers(269, 48),
    "faccessat2": Numbers(439, 439),
    "getcwd": Numbers(79, 17),
    # memory
    "munmap": Numbers(11, 215),
    "mremap": Numbers(25, 216),
    "madvise": Numbers(28, 233),
    "brk": Numbers(12, 214),
    # threads
    "futex": Numbers(202, 98),
    "set_robust_list": Numbers(273, 99),
    "set_tid_address": Numbers(218, 96),
    "rseq": Numbers(334, 293),
    "sched_yield": Numbers(24, 124),
    "sched_getaffinity": Numbers(204, 123),
    "getcpu": Numbers(309, 168),
    "membarrier": Numbers(324, 283),
    # its own signal handlers
    "rt_sigaction": Numbers(13, 134),
    "rt_sigprocmask": Numbers(14, 135),
    "rt_sigreturn": Numbers(15, 139),
    "sigaltstack": Numbers(131, 132),
    "restart_syscall": Numbers(219, 128),
    # time, and what this process is and uses
    "clock_gettime": Numbers(228, 113),
    "clock_getres": Numbers(229, 114),
    "clock_nanosleep": Numbers(230, 115),
    "nanosleep": Numbers(35, 101),
    "gettimeofday": Numbers(96, 169),
    "time": Numbers(201, None),
    "getpid": Numbers(39, 172),
    "gettid": Numbers(186, 178),
    "getuid": Numbers(102, 174),
    "geteuid": Numbers(107, 175),
    "getgid": Numbers(104, 176),
    "getegid": Numbers(108, 177),
    "getrusage": Numbers(98, 165),
    "uname": Numbers(63, 160),
    "sysinfo": Numbers(99, 179),
    "getrandom": Numbers(318, 278),
    "exit": Numbers(60, 93),
    "exit_group": Numbers(231, 94),
}

# Only where all conditions hold.
_ALLOWED_IF = {
    # threads, no processes
    "clone": (Numbers(56, 220), (Argument(0, (_CLONE_THREAD,), _CLONE_THREAD),)),
    # for reading; Landlock restricts which files
    "openat": (Numbers(257, 56), (Argument(2, (os.O_RDONLY,), _WRITES),)),
    # no new code
    "mmap": (Numbers(9, 222), (Argument(2, (0,), _PROT_EXEC),)),
    "mprotect": (Numbers(10, 226), (Argument(2, (0,), _PROT_EXEC),)),
    # no owner of a file, whom the kernel would send signals
    "fcntl": (Numbers(72, 25), (Argument(1, (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC)),)),
    # whether a file is a terminal
    "ioctl": (Numbers(16, 29), (Argument(1, (termios.TCGETS, termios.FIOCLEX)),)),
    # not the signal at the parent's death
    "prctl": (Numbers(157, 167), (Argument(0, (_PR_SET_NAME, _PR_SET_VMA)),)),
}
_CLONE3 = Numbers(435, 435)
_PRLIMIT64 = Numbers(302, 261)
_TGKILL = Numbers(234, 131)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


Instruction = tuple[int, int, int, int]
"""Code, how many instructions to skip if true and if false, and the operand."""


def restrict_calls() -> None:
    """Forbid all threads of this process, irrevocably, the system calls that decoding does not need.

    `no_new_privs` must be set.

    Raises:
        OSError: the kernel has no seccomp filters, or the machine's numbers are not known.
    """
    # A 32-bit Python on a 64-bit kernel has other numbers.
    machine = _MACHINES.get(platform.machine()) if sys.maxsize > 1 << 32 else None
    if machine is None:
        raise OSError(errno.ENOSYS, "no numbers of system calls for this machine")
    lines = program(machine, os.getpid())
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    filtered = _Program(len(lines), instructions)
    if kernel.call("syscall", _SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, filtered):
        raise OSError(errno.EBUSY, "a thread has another filter")


def program(machine: int, process: int) -> list[Instruction]:
    """Return the filter for a process on a machine, given as AUDIT_ARCH."""

    def number(numbers: Numbers) -> int | None:
        return numbers.x86_64 if machine == X86_64 else numbers.aarch64

    rules = [
        # libc then takes `clone`, whose flags a filter can see.
        (number(_CLONE3), [_returns(_ERRNO | errno.ENOSYS)]),
        # Limits may be read but not set: the pointer to new ones must be null.
        (
            number(_PRLIMIT64),
            _allows_if([Argument(0, (0, process)), Argument(2, (0,)), Argument(2, (0,), upper=True)]),
        ),
        # abort()
        (number(_TGKILL), _allows_if([Argument(0, (process,))])),
        *((number(numbers), _allows_if(conditions)) for numbers, conditions in _ALLOWED_IF.values()),
        *((number(numbers), [_returns(_ALLOW)]) for numbers in _ALLOWED.values()),
    ]
    lines: list[Instruction] = [
        # The same numbers are other calls on other machines: i386 on x86_64.
        (_LOAD, 0, 0, _MACHINE_AT),
        (_IF_EQUAL, 1, 0, machine),
        _returns(_KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for of_call, body in rules:
        if of_call is not None:
            lines += [(_IF_EQUAL, 0, len(body), of_call), *body]
    return [*lines, _returns(_ERRNO | errno.EPERM)]


def _allows_if(conditions: Iterable[Argument]) -> list[Instruction]:
    lines: list[Instruction] = []
    for condition in conditions:
        # Both machines are little-endian.
        lines.append((_LOAD, 0, 0, _ARGUMENTS_AT + 8 * condition.index + 4 * condition.upper))
        lines.append((_AND, 0, 0, condition.mask))
        # Skip the refusal that ends this condition.
        left = range(len(condition.values), 0, -1)
        lines += [(_IF_EQUAL, jump, 0, value) for jump, value in zip(left, condition.values, strict=True)]
        lines.append(_returns(_ERRNO | errno.EPERM))
    return [*lines, _returns(_ALLOW)]


def _returns(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)
