"""The blob store: uploaded videos under `uploads/`, results under `results/`, in a private folder.

A blob appears under its name only when it is whole: until then its bytes lie in a temporary file beside it,
which a failed or cancelled write removes and which a killed process leaves for `sweep_unfinished`.
Names come from the server (job ids and fences), never from a client.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from service.contract.errors import StorageUnavailable

UPLOADS = "uploads"
RESULTS = "results"

# obstore buffers one part: this bounds the memory of an upload.
_PART_BYTES = 1 << 20


def upload_name(job_id: str) -> str:
    """Return the name of a job's uploaded video."""
    return f"{UPLOADS}/{job_id}"


def result_name(job_id: str, fence: int) -> str:
    """Return the name of the result that the attempt with this fence writes."""
    return f"{RESULTS}/{job_id}.{fence}"


def job_of(name: str) -> str:
    """Return the id of the job that a blob belongs to."""
    return name.rsplit("/", 1)[-1].split(".", 1)[0]


class Blobs:
    """A folder of blobs. The process's umask must be 077: obstore itself would write files that all can read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder.resolve()
        self._store = LocalStore(prefix=self._folder)

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Store a stream under `name`; where it ends in an exception, nothing is left and that exception goes on.

        Raises:
            StorageUnavailable: the store does not take it (a full disk, say).
        """
        try:
            await obstore.put_async(
                self._store, name, chunks, use_multipart=True, chunk_size=_PART_BYTES, max_concurrency=1
            )
        except BaseError as error:
            raise StorageUnavailable("The upload could not be stored. Try again later.", 30) from error

    def put(self, name: str, content: bytes) -> None:
        """Store `content` under `name` at once."""
        obstore.put(self._store, name, content)

    async def read(self, name: str) -> bytes:
        """Return a blob's content.

        Raises:
            FileNotFoundError: there is none under this name.
            StorageUnavailable: the store does not give it.
        """
        try:
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())
        except BaseError as error:
            raise StorageUnavailable("The result cannot be read at the moment. Try again shortly.", 5) from error

    def path(self, name: str) -> Path:
        """Return where a blob lies on this machine, for a decoder that must seek in it."""
        return self._folder / name

    def delete(self, names: Iterable[str]) -> None:
        """Delete blobs; those that are not there are passed over."""
        for name in names:
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                continue

    async def older_than(self, prefix: str, age_s: float) -> AsyncIterator[str]:
        """Yield the names under `prefix` that were last written over `age_s` seconds ago."""
        limit = datetime.now(UTC) - timedelta(seconds=age_s)
        async for batch in obstore.list(self._store, prefix):
            for blob in batch:
                if blob["last_modified"] < limit:
                    yield blob["path"]

    def sweep_unfinished(self, age_s: float) -> int:
        """Delete temporary files that nobody has written to for `age_s` seconds; return how many there were."""
        limit = time.time() - age_s
        swept = 0
        # obstore names them `blob#1` and lists them nowhere.
        for file in self._folder.glob("*/*#*"):
            # The upload may end, and take its file away, at any moment.
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < limit:
                    file.unlink()
                    swept += 1
        return swept
