"""Call the Linux kernel where Python's standard library has no function for it."""

from __future__ import annotations

import ctypes
import functools
import os


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: int | ctypes.Structure | None) -> int:
    """Call a function of libc and return its result.

    Args:
        function: its name.
        arguments: numbers; structures, which are passed by reference; None for a null pointer.

    Raises:
        OSError: it returned -1.
    """
    # A plain Python number would be passed as a 32-bit int.
    passed = [ctypes.byref(a) if isinstance(a, ctypes.Structure) else ctypes.c_void_p(a) for a in arguments]
    result = int(_libc()[function](*passed))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, value: int) -> None:
    """Change an attribute of this process.

    Raises:
        OSError: the kernel refuses.
    """
    call("prctl", option, value, 0, 0, 0)
