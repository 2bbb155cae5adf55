"""Recognise errors that mean that memory ran out, however the libraries report it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from mien.contract.errors import DecodeTooCostly


@contextmanager
def translate_out_of_memory() -> Iterator[None]:
    """Translate out-of-memory errors into DecodeTooCostly."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise DecodeTooCostly(
                "Analysing this video needs more memory than is allowed. Scale it down (720p is plenty) and try again."
            ) from error
        raise


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, means that memory ran out."""
    return error is not None and (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem)
        or "bad_alloc" in str(error)  # of C++, from OpenCV or ONNX Runtime
        or is_out_of_memory(error.__cause__)
    )
