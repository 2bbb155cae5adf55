"""Keep freed memory between steps instead of returning it to the system."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER = 2**31 - 1


def keep_memory() -> None:
    """Make glibc's allocator keep freed memory; with another C library do nothing.

    Each step frees its large tensors and allocates them again. By default glibc maps and unmaps each of them, and the
    system clears every page again: on a CPU this took more time than the arithmetic.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _NEVER)
