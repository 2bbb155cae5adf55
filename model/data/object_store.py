"""Read parts of files in object storage: S3 and compatible stores, Google's, Azure's, or plain HTTP."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url


@dataclass(frozen=True)
class ObjectStore:
    """A place in object storage; credentials, region and endpoint are in the environment, `AWS_…` and the like.

    Attributes:
        url: for example s3://bucket/folder.
    """

    url: str

    def read(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` to before `end` of a file.

        Raises:
            OSError: the store does not return them.
            RuntimeError: this process was forked from one that has read already, whose connections would hang here.
        """
        if _process() != os.getpid():
            raise RuntimeError(f"{self.url} was read before this process was forked: read in loaders only.")
        try:
            return bytes(obstore.get_range(_opened(self.url), name, start=start, end=end))
        except (BaseError, OSError) as error:
            raise OSError(f"{self.url} does not give it: {str(error).splitlines()[0]}") from error


@cache
def _process() -> int:
    """Return the process that was the first to read; obstore's threads are in that one only."""
    return os.getpid()


@cache
def _opened(url: str) -> Any:  # noqa: ANN401 - one of obstore's classes
    return from_url(url, client_options={"allow_http": True} if url.startswith("http://") else None)
