"""Confine the decode child with three layers of the Linux kernel, each of which holds if another fails.

namespaces ─▶ Landlock ─▶ seccomp. docs/operations.md says what each of them prevents.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from service.vision.decode_device import DecodeDevice
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


def confine(readable: Sequence[Path], *, device: DecodeDevice = "cpu") -> list[str]:
    """Confine this process irrevocably, and return the layers that are lacking.

    All imports must be done and all files opened before. The process must have a single thread.

    Args:
        readable: the files that may still be opened, for reading.
        device: where the process decodes. A GPU's driver opens files and calls the kernel in ways that the last two
            layers forbid, and starts threads that they do not reach: for a GPU they are left out.

    Raises:
        FileNotFoundError: one of the files is not there.
    """
    if sys.platform != "linux":
        return list(LAYERS)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    lacking = []
    if not _apply(_enter_namespaces):
        lacking.append("namespaces")
    _drop_capabilities()
    if device != "cpu":
        return [*lacking, "landlock", "seccomp"]
    if not _apply(lambda: restrict_files(readable)):
        lacking.append("landlock")
    if not _apply(restrict_calls):
        lacking.append("seccomp")
    return lacking


def hide_memory() -> None:
    """Keep other processes of the same user from reading this one's memory and environment in /proc."""
    if sys.platform == "linux":
        kernel.prctl(_PR_SET_DUMPABLE, 0)


def _apply(layer: Callable[[], None]) -> bool:
    try:
        layer()
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def _enter_namespaces() -> None:
    # No user is mapped into the namespace: this process has its user's access to files, and no other rights.
    kernel.call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)


def _drop_capabilities() -> None:
    # Those in its own namespace, and root's.
    kernel.call("capset", _CapabilityHeader(_CAPABILITY_VERSION_3, 0), _Capabilities())
