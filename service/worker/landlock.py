"""Landlock: restrict this process to opening the given files for reading; it can make no TCP connection."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from service.worker import kernel

# The same numbers on every machine (asm-generic/unistd.h).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE = 1 << 2

# linux/landlock.h: the number of rights on files that each version knows, the lowest bits first.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_RIGHTS = 0b11  # bind and connect, from version 4
_SCOPES = 0b11  # abstract Unix sockets and signals to processes outside, from version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def restrict_files(readable: Iterable[Path]) -> None:
    """Forbid this thread, and what it starts, to open any file but `readable` for reading.

    Files already open stay so. Attributes (`stat`) of other files can still be read: Landlock does not hide them.

    Raises:
        OSError: the kernel has no Landlock, or one of the files cannot be opened.
    """
    version = kernel.call("syscall", _CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    rules = _Ruleset(
        files=(1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1,
        net=_TCP_RIGHTS if version >= 4 else 0,
        scoped=_SCOPES if version >= 6 else 0,
    )
    # The kernel takes a structure longer than the one it knows, if the rest is zero.
    ruleset = kernel.call("syscall", _CREATE_RULESET, rules, ctypes.sizeof(rules), 0)
    try:
        for path in readable:
            file = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = _PathBeneath(allowed=_READ_FILE, parent=file)
                kernel.call("syscall", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
            finally:
                os.close(file)
        kernel.call("syscall", _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
