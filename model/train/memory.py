"""Keeps memory between steps instead of giving it back to the system after each."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER = 2**31 - 1


def keep_memory() -> None:
    """Let glibc's allocator keep what was freed; elsewhere do nothing.

    A step's tensors are large, and freed and asked for again in each step. By default glibc maps and unmaps each of
    them, and the system clears every page anew: on a CPU this took more time than the arithmetic.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _NEVER)
