"""The blob store on a bucket: what `test_blobs` promises of a folder, and what only a bucket does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from mien.contract.errors import NotOffered, StorageUnavailable
from service.storage.blobs import Blobs, S3Blobs, open_blobs
from service.storage.settings import StorageSettings
from tests.s3 import Bucket, s3_bucket

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def _bucket() -> Iterator[Bucket]:
    with s3_bucket() as bucket:
        yield bucket


@pytest.fixture
def bucket(_bucket: Bucket) -> Bucket:
    _bucket.clear()
    return _bucket


@pytest.fixture
def blobs(bucket: Bucket, tmp_path: Path) -> Blobs:
    return open_blobs(
        StorageSettings(blobs_url="s3://mien/some/where", s3_endpoint=bucket.endpoint, blobs_dir=tmp_path)
    )


async def _stream(*chunks: bytes, then: BaseException | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if then is not None:
        raise then


@pytest.mark.parametrize("chunks", [(b"a", b"", b"bc"), (b"x" * MEGABYTE,) * 12])
def test_what_is_written_is_read_and_is_a_file_for_as_long_as_it_is_wanted(blobs, bucket, tmp_path, chunks):
    asyncio.run(blobs.write("uploads/a", _stream(*chunks)))

    assert isinstance(blobs, S3Blobs)
    assert asyncio.run(blobs.read("uploads/a")) == b"".join(chunks)
    with blobs.local("uploads/a") as path:
        assert path.read_bytes() == b"".join(chunks)
        assert path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
    assert bucket.names == ["some/where/uploads/a"]


def test_an_upload_that_breaks_off_leaves_nothing(blobs, bucket):
    with pytest.raises(RuntimeError, match="gone"):
        asyncio.run(blobs.write("uploads/a", _stream(b"x" * (9 * MEGABYTE), then=RuntimeError("gone"))))

    assert bucket.names == []
    assert bucket.unfinished() == 0


def test_what_is_not_there(blobs):
    with pytest.raises(FileNotFoundError), blobs.local("uploads/none"):
        pass
    with pytest.raises(FileNotFoundError):
        asyncio.run(blobs.read("results/none.1"))
    with pytest.raises(FileNotFoundError):
        asyncio.run(blobs.head("uploads/none", 16))
    blobs.delete(["uploads/none"])


def test_blobs_are_deleted_and_listed_by_age(blobs, bucket):
    blobs.put("results/a.1", b"{}")
    blobs.put("results/b.1", b"{}")

    async def older(age_s: float) -> list[str]:
        return [name async for name, found_s in blobs.ages("results") if found_s > age_s]

    assert asyncio.run(older(-5)) == ["results/a.1", "results/b.1"]
    assert asyncio.run(older(60)) == []
    blobs.delete(["results/a.1"])
    assert bucket.names == ["some/where/results/b.1"]
    assert blobs.sweep_unfinished(0, ()) == 0


def test_an_upload_url_accepts_one_blob_and_nothing_else(blobs, bucket):
    url = blobs.upload_url("uploads/direct", 60)

    assert httpx2.put(url, content=b"content").status_code == 200

    assert "some/where/uploads/direct" in url
    assert "X-Amz-Signature" in url
    assert bucket.names == ["some/where/uploads/direct"]
    assert asyncio.run(blobs.head("uploads/direct", 3)) == (7, b"con")
    assert asyncio.run(blobs.head("uploads/direct", 99)) == (7, b"content")


class _SlowBucket(BaseHTTPRequestHandler):
    """Answers with a blob of eight bytes, one every 0.7 s, and stops after those that its name says."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.end_headers()
        for _ in range(int(self.path[-1])):
            time.sleep(0.7)
            self.wfile.write(b"x")
            self.wfile.flush()
        self.server.ending.wait()

    def log_message(self, *_args: object) -> None:
        pass


class _SlowServer(ThreadingHTTPServer):
    ending = threading.Event()


@pytest.fixture
def slow_blobs(tmp_path, monkeypatch) -> Iterator[Blobs]:
    monkeypatch.setattr("service.storage.blobs._STALLED_S", 4.0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with _SlowServer(("127.0.0.1", 0), _SlowBucket) as server:
        threading.Thread(target=server.serve_forever).start()
        yield S3Blobs("s3://mien", f"http://127.0.0.1:{server.server_port}", tmp_path)
        server.ending.set()
        server.shutdown()


def test_a_bucket_may_be_slow_for_as_long_as_bytes_come(slow_blobs):
    with slow_blobs.local("uploads/8") as path:
        assert path.read_bytes() == b"x" * 8
    assert asyncio.run(slow_blobs.sha256("uploads/8")) == sha256(b"x" * 8).hexdigest()


def test_a_blob_of_a_bucket_is_read_in_pieces(blobs):
    content = bytes(range(256)) * 20_000
    blobs.put("results/a.1", content)

    async def read() -> tuple[int, bytes]:
        size, pieces = await blobs.stream("results/a.1")
        return size, b"".join([piece async for piece in pieces])

    assert asyncio.run(read()) == (len(content), content)


def test_a_bucket_that_stops_within_a_blob_is_unavailable(slow_blobs):
    with pytest.raises(StorageUnavailable), slow_blobs.local("uploads/2"):
        pass


def test_copying_a_blob_can_be_ended(blobs):
    def end() -> None:
        raise RuntimeError("enough")

    blobs.put("uploads/a", b"x")
    with pytest.raises(RuntimeError, match="enough"), blobs.local("uploads/a", end):
        pass


def test_a_store_that_does_not_answer_is_unavailable(bucket, tmp_path):
    blobs = S3Blobs("s3://nothing-there", bucket.endpoint, tmp_path)

    with pytest.raises(StorageUnavailable):
        asyncio.run(blobs.write("uploads/a", _stream(b"a")))


def test_what_a_missing_bucket_held_is_unavailable_and_not_erased(blobs, bucket, tmp_path, reading):
    with pytest.raises(StorageUnavailable):
        asyncio.run(reading(S3Blobs("s3://nothing-there", bucket.endpoint, tmp_path), "uploads/a"))

    with pytest.raises(FileNotFoundError):
        asyncio.run(reading(blobs, "uploads/none"))


def test_a_folder_takes_nothing_from_outside(tmp_path):
    with pytest.raises(NotOffered):
        Blobs(tmp_path).upload_url("uploads/a", 60)


def test_a_folder_tells_a_blobs_size_and_first_bytes(tmp_path):
    blobs = Blobs(tmp_path)
    blobs.put("uploads/a", b"0123456789")
    blobs.put("uploads/empty", b"")

    assert asyncio.run(blobs.head("uploads/a", 4)) == (10, b"0123")
    assert asyncio.run(blobs.head("uploads/empty", 4)) == (0, b"")
    with pytest.raises(FileNotFoundError):
        asyncio.run(blobs.head("uploads/none", 4))
