"""The blob store: videos under `uploads/`, results under `results/`, in a private folder or an S3 bucket.

A blob appears under its name only when it is complete. Until then its bytes are in a temporary file beside it; a
failed or cancelled write removes the file, and `sweep_unfinished` removes those of killed processes.
Names come from the server (job ids and fences), never from a client.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Container, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import obstore
import structlog
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from mien.contract.errors import NotOffered, StorageUnavailable
from service.storage.settings import StorageSettings

log = structlog.get_logger()

UPLOADS = "uploads"
RESULTS = "results"
INCOMING = "incoming"
"""What clients put straight to the store. Nothing is analysed from there: a URL could overwrite it."""

_PROBE = "probe/written"
_PROBE_BYTES = 4096  # one block: fewer bytes may fit on a full disk

# obstore buffers one part: this bounds the memory of an upload.
_PART_BYTES = 1 << 20
_S3_PART_BYTES = 8 << 20  # S3 allows 10,000 parts, all but the last of at least 5 MiB
_STALLED_S = 30.0  # a bucket that sends nothing for so long has failed; a slow one has not


def upload_name(job_id: str) -> str:
    """Return the name of a job's uploaded video."""
    return f"{UPLOADS}/{job_id}"


def incoming_name(job_id: str) -> str:
    """Return the name of a video that a client puts straight to the store."""
    return f"{INCOMING}/{job_id}"


def taken_name(job_id: str) -> str:
    """Return a new name for the copy of such a video that is analysed: no URL was ever given for it."""
    return f"{upload_name(job_id)}.{secrets.token_hex(4)}"


def result_name(job_id: str, fence: int) -> str:
    """Return the name of the result that the attempt with this fence writes."""
    return f"{RESULTS}/{job_id}.{fence}"


def job_of(name: str) -> str:
    """Return the id of the job that a blob belongs to."""
    return name.rsplit("/", 1)[-1].split(".", 1)[0]


def open_blobs(settings: StorageSettings) -> Blobs:
    """Open the store that the settings select."""
    if settings.blobs_url is None:
        return Blobs(settings.blobs_dir)
    return S3Blobs(settings.blobs_url, settings.s3_endpoint, settings.blobs_dir)


class Blobs:
    """Store blobs in a folder. The process's umask must be 077, for obstore writes world-readable files otherwise."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder.resolve()
        self._part_bytes = _PART_BYTES
        self._store: LocalStore | S3Store = LocalStore(prefix=self._folder)

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Store a stream under `name`; an exception of the stream is re-raised and leaves no blob.

        Raises:
            StorageUnavailable: the store cannot write it, for example on a full disk.
        """
        try:
            self._require_store()
            await obstore.put_async(
                self._store, name, chunks, use_multipart=True, chunk_size=self._part_bytes, max_concurrency=1
            )
        # FileNotFoundError: the bucket does not exist.
        except (BaseError, FileNotFoundError, NotADirectoryError) as error:
            raise StorageUnavailable("The upload could not be stored. Try again later.", 30) from error

    def put(self, name: str, content: bytes) -> None:
        """Store `content` under `name`.

        Raises:
            StorageUnavailable: the store does not take it, for example on a full disk.
        """
        with self._outage():
            obstore.put(self._store, name, content)

    def check(self, size: int) -> None:  # noqa: ARG002 - S3Blobs needs it
        """Try whether the store takes a blob, and has room for a local copy of `size` bytes.

        Raises:
            StorageUnavailable: it does not, or has not.
        """
        asyncio.run(self.probe())

    async def read(self, name: str) -> bytes:
        """Return a blob's content.

        Raises:
            FileNotFoundError: there is no blob of this name.
            StorageUnavailable: the store cannot read it.
        """
        async with self._reading(name):
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())

    async def stream(self, name: str) -> tuple[int, AsyncIterator[bytes]]:
        """Return a blob's size and its content in pieces, the first of which has been read.

        Raises:
            FileNotFoundError: there is no blob of this name.
            StorageUnavailable: the store cannot read it; also while the pieces are read.
        """
        async with self._reading(name):
            blob = await obstore.get_async(self._store, name)
            pieces = aiter(blob.stream(min_chunk_size=_PART_BYTES))
            first = bytes(await anext(pieces, b""))

        async def content() -> AsyncIterator[bytes]:
            yield first
            with self._outage():
                async for piece in pieces:
                    yield bytes(piece)

        return blob.meta["size"], content()

    @contextmanager
    def local(self, name: str, on_piece: Callable[[], None] = lambda: None) -> Iterator[Path]:  # noqa: ARG002 - S3Blobs
        """Provide a blob as a local file that a decoder can seek in.

        Args:
            name: of the blob.
            on_piece: called with each piece that is copied, if it has to be; what it raises ends the copying.

        Raises:
            FileNotFoundError: there is no blob of this name.
            StorageUnavailable: the store does not answer, or is not there.
        """
        path = self._folder / name
        with self._outage():
            self._require_place(name)
        if not path.is_file():
            raise FileNotFoundError(f"{name} is not in the store")
        yield path

    async def head(self, name: str, count: int) -> tuple[int, bytes]:
        """Return a blob's size and its first bytes.

        Raises:
            FileNotFoundError: there is no blob of this name.
            StorageUnavailable: the store cannot read it.
        """
        async with self._reading(name):
            size = (await obstore.head_async(self._store, name))["size"]
            first = await obstore.get_range_async(self._store, name, start=0, end=min(count, size)) if size else b""
        return size, bytes(first)

    async def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return `length` bytes of a blob from `start`, or fewer at its end.

        Raises:
            FileNotFoundError: there is no blob of this name.
            StorageUnavailable: the store cannot read it.
        """
        async with self._reading(name):
            return bytes(await obstore.get_range_async(self._store, name, start=start, length=length))

    async def sha256(self, name: str) -> str:
        """Return the SHA-256 of a blob's content in lower-case hexadecimal.

        Raises:
            FileNotFoundError: there is no blob of this name.
            StorageUnavailable: the store cannot read it.
        """
        digest = hashlib.sha256()
        async with self._reading(name):
            blob = await obstore.get_async(self._store, name)
            async for piece in blob.stream(min_chunk_size=_PART_BYTES):
                digest.update(piece)
        return digest.hexdigest()

    async def copy(self, name: str, to: str) -> None:
        """Copy a blob within the store.

        Raises:
            FileNotFoundError: there is no blob of this name.
            StorageUnavailable: the store cannot copy it.
        """
        async with self._reading(name):
            await obstore.copy_async(self._store, name, to)

    async def probe(self) -> None:
        """Write a small blob and delete it.

        Raises:
            StorageUnavailable: the store does not take it; `detail` says why.
        """
        try:
            self._require_store()
            await obstore.put_async(self._store, _PROBE, bytes(_PROBE_BYTES))
            with contextlib.suppress(FileNotFoundError):  # another process did so a moment ago
                await obstore.delete_async(self._store, _PROBE)
        except (BaseError, OSError) as error:
            log.warning("store takes nothing", error=str(error))
            raise StorageUnavailable(
                f"The store accepts no writes at the moment: {_why(error)}. Try again later.", 30
            ) from error

    async def readable(self) -> bool:
        """Return whether the store's blobs can be listed, and so read."""
        try:
            self._require_store()
            await obstore.list_with_delimiter_async(self._store, RESULTS)
        except (BaseError, OSError):
            return False
        return True

    def upload_url(self, name: str, ttl_s: int) -> str:  # noqa: ARG002 - S3Blobs needs them
        """Return a presigned URL that accepts a PUT of a blob for `ttl_s` seconds.

        Raises:
            NotOffered: this store has no presigned URLs.
        """
        raise NotOffered("This service takes videos itself: send them to POST /analyze.")

    def delete(self, names: Iterable[str]) -> None:
        """Delete blobs; missing ones are ignored.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        for name in names:
            try:
                with self._outage():
                    obstore.delete(self._store, name)
            except FileNotFoundError:
                continue

    async def ages(self, prefix: str) -> AsyncIterator[tuple[str, float]]:
        """Yield the names and ages in seconds of the blobs under `prefix`.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        now = datetime.now(UTC)
        with self._outage():
            async for batch in obstore.list(self._store, prefix):
                for blob in batch:
                    yield blob["path"], (now - blob["last_modified"]).total_seconds()

    def sweep_unfinished(self, age_s: float, arriving: Container[str]) -> int:
        """Delete temporary files not written to for `age_s` seconds; return their number.

        Those of the jobs in `arriving` are kept: obstore writes no part before it is full, and a slow upload takes long
        for one.

        Raises:
            StorageUnavailable: the folder cannot be read, or is read-only.
        """
        limit = time.time() - age_s
        swept = 0
        # obstore names them `blob#1` and does not list them.
        for file in self._folder.glob("*/*#*"):
            # The upload may finish and remove its file at any moment.
            with self._outage(), contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < limit and file.name.partition("#")[0] not in arriving:
                    file.unlink()
                    swept += 1
        return swept

    def _require_folder(self) -> None:
        """Raise NotADirectoryError if the folder is gone."""
        if not self._folder.is_dir():
            raise NotADirectoryError(f"{self._folder} is gone")

    def _require_store(self) -> None:
        """Raise NotADirectoryError if the store is gone.

        obstore would make a new folder, and all blobs would seem to be erased.
        """
        self._require_folder()

    def _require_place(self, name: str) -> None:
        """Raise an error that `_outage` translates if the place where the blob would be is gone, not the blob only.

        A folder that was unmounted leaves an empty one.
        """
        folder = (self._folder / name).parent
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is gone")

    @asynccontextmanager
    async def _reading(self, name: str) -> AsyncIterator[None]:
        """Translate failures like `_outage`, and a missing blob if the store is missing."""
        with self._outage():
            try:
                yield
            except FileNotFoundError:
                await asyncio.to_thread(self._require_place, name)
                raise

    @contextmanager
    def _outage(self) -> Iterator[None]:
        """Translate failures of the store into StorageUnavailable, but for blobs that are not there."""
        try:
            self._require_store()
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            raise StorageUnavailable("The store does not answer at the moment. Try again shortly.", 5) from error


def _why(error: Exception) -> str:
    """Return why a write failed, in terms that users know."""
    if "os error 28" in str(error):  # ENOSPC
        return "its disk is full"
    if isinstance(error, FileNotFoundError):
        return "its bucket does not exist"
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError, PermissionError)):
        return "it denies access"
    return "it cannot be written to"


class S3Blobs(Blobs):
    """Store blobs in an S3 bucket, under the same names.

    Unfinished uploads leave parts that only the bucket's lifecycle rules can remove (docs/operations.md).

    Args:
        url: `s3://bucket` or `s3://bucket/prefix`.
        endpoint: URL of an S3-compatible store; None for Amazon's.
        scratch: folder for local copies of blobs.
    """

    def __init__(self, url: str, endpoint: str | None, scratch: Path) -> None:
        super().__init__(scratch)
        self._part_bytes = _S3_PART_BYTES
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        how: dict[str, Any] = {} if endpoint is None else {"endpoint": endpoint}
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http:")),
                # By default a whole blob has to come within 30 s.
                "timeout": timedelta(days=1),
                "read_timeout": timedelta(seconds=_STALLED_S),
            },
            **how,
        )

    @contextmanager
    def local(self, name: str, on_piece: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Copy a blob to the scratch folder for the duration of the block."""
        with contextlib.ExitStack() as copy:
            with self._outage():
                self._require_folder()
                file = copy.enter_context(tempfile.NamedTemporaryFile(dir=self._folder))
                try:
                    for piece in obstore.get(self._store, name).stream(min_chunk_size=_PART_BYTES):
                        file.write(piece)
                        on_piece()
                    file.flush()
                except FileNotFoundError:
                    self._require_place(name)
                    raise
            yield Path(file.name)

    def put(self, name: str, content: bytes) -> None:
        """Store `content` under `name`."""
        try:
            super().put(name, content)
        except FileNotFoundError as error:
            raise StorageUnavailable("The bucket does not exist at the moment. Try again shortly.", 5) from error

    def check(self, size: int) -> None:
        """Try the bucket, and the scratch folder's room unless it could never hold `size` bytes."""
        super().check(size)
        with self._outage():
            self._require_folder()
            room = shutil.disk_usage(self._folder)
        if room.free < size <= room.total:
            raise StorageUnavailable("The scratch folder has no room at the moment. Try again shortly.", 5)

    def _require_store(self) -> None:
        """Do nothing: obstore makes no bucket."""

    def _require_place(self, name: str) -> None:  # noqa: ARG002 - as in Blobs
        """Raise NotADirectoryError if the bucket is gone: its answer is that of a missing blob."""
        try:
            next(iter(obstore.list(self._store, UPLOADS, chunk_size=1)), None)
        except FileNotFoundError as error:
            raise NotADirectoryError("the bucket is gone") from error

    def upload_url(self, name: str, ttl_s: int) -> str:
        """Return a presigned URL."""
        return obstore.sign(cast("S3Store", self._store), "PUT", name, timedelta(seconds=ttl_s))

    def sweep_unfinished(self, age_s: float, arriving: Container[str]) -> int:  # noqa: ARG002 - as in Blobs
        """Do nothing and return 0: the bucket's lifecycle rules remove unfinished uploads."""
        return 0
