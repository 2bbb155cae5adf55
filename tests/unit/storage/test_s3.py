"""The blob store on a bucket: what `test_blobs` promises of a folder, and what only a bucket does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
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
    assert blobs.sweep_unfinished(0) == 0


def test_an_upload_url_accepts_one_blob_and_nothing_else(blobs, bucket):
    url = blobs.upload_url("uploads/direct", 60)

    assert httpx2.put(url, content=b"content").status_code == 200

    assert "some/where/uploads/direct" in url
    assert "X-Amz-Signature" in url
    assert bucket.names == ["some/where/uploads/direct"]
    assert asyncio.run(blobs.head("uploads/direct", 3)) == (7, b"con")
    assert asyncio.run(blobs.head("uploads/direct", 99)) == (7, b"content")


def test_a_store_that_does_not_answer_is_unavailable(bucket, tmp_path):
    blobs = S3Blobs("s3://nothing-there", bucket.endpoint, tmp_path)

    with pytest.raises(StorageUnavailable):
        asyncio.run(blobs.write("uploads/a", _stream(b"a")))


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
