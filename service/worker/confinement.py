"""Confine the decode child: three layers of the kernel's, each of which holds where another fails.

namespaces ─▶ Landlock ─▶ seccomp. docs/operations.md says what each of them stops.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from service.worker import kernel
from service.worker.landlock import restrict_files
from service.worker.seccomp import restrict_calls

LAYERS = ("namespaces", "landlock", "seccomp")

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("words", ctypes.c_uint32 * 6),)


def confine(readable: Sequence[Path]) -> list[str]:
    """Confine this process for ever, and return the layers that the kernel does not offer.

    What is imported or opened later must be so before. The process must have a single thread.

    Args:
        readable: the files that may still be opened, for reading.

    Raises:
        FileNotFoundError: one of the files is not there.
    """
    if sys.platform != "linux":
        return list(LAYERS)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    lacking = []
    if not _offered(_enter_namespaces):
        lacking.append("namespaces")
    _drop_capabilities()
    if not _offered(lambda: restrict_files(readable)):
        lacking.append("landlock")
    if not _offered(restrict_calls):
        lacking.append("seccomp")
    return lacking


def hide_memory() -> None:
    """Keep other processes of the same user from reading this one's memory and environment in /proc."""
    if sys.platform == "linux":
        kernel.prctl(_PR_SET_DUMPABLE, 0)


def _offered(layer: Callable[[], None]) -> bool:
    try:
        layer()
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def _enter_namespaces() -> None:
    # No user is mapped into the namespace: files are open to this process as to their owner, and nothing more.
    kernel.call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)


def _drop_capabilities() -> None:
    # Those in a namespace of its own, and root's.
    kernel.call("capset", _CapabilityHeader(_CAPABILITY_VERSION_3, 0), _Capabilities())
