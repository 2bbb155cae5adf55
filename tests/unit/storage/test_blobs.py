from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from mien.contract.errors import StorageUnavailable
from service.storage.blobs import Blobs, job_of, result_name, upload_name
from tests.processes import wait_for

MEGABYTE = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> Blobs:
    return Blobs(folder)


def _files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


async def _stream(*chunks: bytes, then: BaseException | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if then is not None:
        raise then


@pytest.mark.parametrize("chunks", [(), (b"",), (b"a", b"", b"bc"), (b"x" * MEGABYTE, b"y" * 3_500_000)])
def test_what_is_written_is_read(blobs: Blobs, folder: Path, chunks: tuple[bytes, ...]):
    asyncio.run(blobs.write("uploads/a", _stream(*chunks)))

    assert asyncio.run(blobs.read("uploads/a")) == b"".join(chunks)
    with blobs.local("uploads/a") as path:
        assert path.read_bytes() == b"".join(chunks)
    assert _files(folder) == ["uploads/a"]


def test_what_is_put_is_read(blobs: Blobs):
    blobs.put("results/a.1", b"{}")

    assert asyncio.run(blobs.read("results/a.1")) == b"{}"


def test_a_blob_is_not_there_before_it_is_whole(blobs: Blobs, folder: Path):
    async def halfway() -> AsyncIterator[bytes]:
        yield b"x" * (2 * MEGABYTE)
        assert not (folder / "uploads/a").exists()
        yield b"end"

    asyncio.run(blobs.write("uploads/a", halfway()))

    assert (folder / "uploads/a").exists()


@pytest.mark.parametrize("size", [10, 3 * MEGABYTE])
def test_a_write_that_fails_leaves_nothing_and_its_own_error_goes_on(blobs: Blobs, folder: Path, size: int):
    class BrokenUpload(Exception):
        pass

    with pytest.raises(BrokenUpload):
        asyncio.run(blobs.write("uploads/a", _stream(b"x" * size, then=BrokenUpload())))

    assert _files(folder) == []


def test_a_write_that_is_cancelled_leaves_nothing(blobs: Blobs, folder: Path):
    async def cancelled() -> None:
        waits = asyncio.Event()

        async def stuck() -> AsyncIterator[bytes]:
            yield b"x" * (3 * MEGABYTE)
            waits.set()
            await asyncio.sleep(60)

        task = asyncio.create_task(blobs.write("uploads/a", stuck()))
        await waits.wait()
        assert len(_files(folder)) == 1  # the temporary file
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    wait_for(lambda: not _files(folder))  # obstore's own threads remove it a moment later


def test_a_blob_that_is_not_there_is_a_file_not_found(blobs: Blobs):
    blobs.put("results/other", b"x")
    with pytest.raises(FileNotFoundError):
        asyncio.run(blobs.read("results/none"))


def test_deleting_passes_over_what_is_not_there(blobs: Blobs, folder: Path):
    blobs.put("uploads/a", b"a")
    blobs.put("uploads/b", b"b")

    blobs.delete(["uploads/a", "uploads/none", "uploads/b"])
    blobs.delete([])

    assert _files(folder) == []


def test_ages_are_those_of_the_blobs_under_the_prefix(blobs: Blobs, folder: Path):
    for name in ("uploads/old", "uploads/new", "results/old.1"):
        blobs.put(name, b"x")
    for name in ("uploads/old", "results/old.1"):
        os.utime(folder / name, (time.time() - 100,) * 2)

    async def names(prefix: str) -> list[str]:
        return [name async for name, age_s in blobs.ages(prefix) if age_s > 60]

    assert asyncio.run(names("uploads")) == ["uploads/old"]
    assert asyncio.run(names("results")) == ["results/old.1"]
    assert asyncio.run(names("other")) == []


_WRITER = """
import asyncio, sys
from pathlib import Path
from service.storage.blobs import Blobs

async def chunks():
    yield b"x" * (3 << 20)
    print("halfway", flush=True)
    await asyncio.sleep(60)

asyncio.run(Blobs(Path(sys.argv[1])).write("uploads/killed", chunks()))
"""


def test_what_a_killed_process_left_is_swept_once_it_is_stale(blobs: Blobs, folder: Path):
    blobs.put("uploads/whole", b"x")
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(folder)], stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"halfway\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    left = _files(folder)
    assert len(left) == 2
    assert "uploads/whole" in left

    assert blobs.sweep_unfinished(60, ()) == 0
    assert _files(folder) == left

    for name in left:
        os.utime(folder / name, (time.time() - 100,) * 2)
    assert blobs.sweep_unfinished(60, ()) == 1
    assert _files(folder) == ["uploads/whole"]


def test_a_write_under_way_is_not_swept(blobs: Blobs, folder: Path):
    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * (2 * MEGABYTE)
        assert blobs.sweep_unfinished(60, ()) == 0
        yield b"y"

    asyncio.run(blobs.write("uploads/a", slow()))

    assert (folder / "uploads/a").stat().st_size == 2 * MEGABYTE + 1


def test_blobs_and_folders_are_private(folder: Path):
    before = os.umask(0o077)
    try:
        blobs = Blobs(folder)
        blobs.put("results/a.1", b"{}")
        asyncio.run(blobs.write("uploads/a", _stream(b"face" * MEGABYTE)))
    finally:
        os.umask(before)

    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_store_that_refuses_writes_is_unavailable(blobs: Blobs, folder: Path):
    shutil.rmtree(folder)
    folder.write_text("in the way")

    with pytest.raises(StorageUnavailable) as refused:
        asyncio.run(blobs.write("uploads/a", _stream(b"x" * (2 * MEGABYTE))))
    assert refused.value.retry_after_s > 0
    with pytest.raises(StorageUnavailable):
        asyncio.run(blobs.read("uploads/a"))


async def _all_ages(blobs: Blobs) -> list[tuple[str, float]]:
    return [found async for found in blobs.ages("uploads")]


@pytest.mark.parametrize(
    "use",
    [
        lambda blobs: asyncio.run(blobs.write("uploads/a", _stream(b"x"))),
        lambda blobs: blobs.put("uploads/a", b"x"),
        lambda blobs: blobs.delete(["uploads/a"]),
        lambda blobs: asyncio.run(blobs.read("uploads/a")),
        lambda blobs: asyncio.run(blobs.stream("uploads/a")),
        lambda blobs: asyncio.run(blobs.head("uploads/a", 1)),
        lambda blobs: asyncio.run(blobs.read_range("uploads/a", 0, 1)),
        lambda blobs: asyncio.run(blobs.sha256("uploads/a")),
        lambda blobs: asyncio.run(_all_ages(blobs)),
        lambda blobs: asyncio.run(blobs.probe()),
    ],
    ids=["write", "put", "delete", "read", "stream", "head", "range", "sha256", "ages", "probe"],
)
def test_a_store_that_is_gone_is_neither_made_anew_nor_taken_for_empty(blobs: Blobs, folder: Path, use):
    asyncio.run(blobs.write("uploads/a", _stream(b"x")))
    folder.rename(folder.with_name("away"))

    with pytest.raises(StorageUnavailable):
        use(blobs)
    assert not asyncio.run(blobs.readable())

    assert not folder.exists()
    folder.with_name("away").rename(folder)
    assert asyncio.run(blobs.read("uploads/a")) == b"x"


def test_what_an_unmounted_folder_held_is_unavailable_and_not_erased(blobs: Blobs, folder: Path, reading):
    asyncio.run(blobs.write("uploads/a", _stream(b"x")))
    folder.rename(folder.with_name("away"))
    folder.mkdir()

    with pytest.raises(StorageUnavailable):
        asyncio.run(reading(blobs, "uploads/a"))

    folder.rmdir()
    folder.with_name("away").rename(folder)
    assert asyncio.run(reading(blobs, "uploads/a"))
    with pytest.raises(FileNotFoundError):
        asyncio.run(reading(blobs, "uploads/none"))


_WRITER_WITHOUT_ROOM = """
import asyncio, os, resource, sys
from pathlib import Path
from mien.contract.errors import StorageUnavailable
from service.storage.blobs import Blobs

async def chunks():
    for _ in range(4):
        yield b"x" * (1 << 20)

resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
try:
    asyncio.run(Blobs(Path(sys.argv[1])).write("uploads/a", chunks()))
except StorageUnavailable:
    print("refused", flush=True)
    os._exit(0)  # obstore's threads may still hold Python objects, which an orderly end would trip over
"""


def test_a_store_that_fills_up_in_mid_write_is_unavailable_and_keeps_no_part_of_the_blob(folder: Path):
    said = subprocess.run([sys.executable, "-c", _WRITER_WITHOUT_ROOM, str(folder)], capture_output=True, check=True)

    assert said.stdout == b"refused\n"
    assert _files(folder) == []


def test_names_tell_their_job():
    assert upload_name("j1") == "uploads/j1"
    assert result_name("j1", 3) == "results/j1.3"
    assert job_of(upload_name("j1")) == job_of(result_name("j1", 3)) == "j1"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GenericError("Unable to write to file: No space left on device (os error 28)"), "disk is full"),
        (FileNotFoundError("NoSuchBucket"), "bucket does not exist"),
        (PermissionDeniedError("AccessDenied"), "denies access"),
        (GenericError("error sending request to http://inside:9000"), "cannot be written to"),
    ],
)
def test_a_store_that_takes_nothing_says_why_and_nothing_of_its_inside(tmp_path, monkeypatch, error, reason):
    async def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(obstore, "put_async", refuse)

    with pytest.raises(StorageUnavailable, match=reason) as refused:
        asyncio.run(Blobs(tmp_path).probe())
    assert "http" not in refused.value.detail


def test_a_probe_leaves_nothing(tmp_path):
    asyncio.run(Blobs(tmp_path).probe())

    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_store_that_has_become_read_only_is_an_outage_to_the_sweep(blobs: Blobs, folder: Path, monkeypatch):
    (folder / "uploads").mkdir(exist_ok=True)
    (folder / "uploads/a#1").write_bytes(b"half")

    def refuse(_: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StorageUnavailable):
        blobs.sweep_unfinished(-1, ())


@pytest.mark.parametrize("content", [b"", b"{}", bytes(range(256)) * 20_000], ids=["empty", "small", "5 MB"])
def test_a_blob_is_read_in_pieces(blobs: Blobs, content: bytes):
    blobs.put("results/a.1", content)

    async def read() -> tuple[int, list[bytes]]:
        size, pieces = await blobs.stream("results/a.1")
        return size, [piece async for piece in pieces]

    size, pieces = asyncio.run(read())

    assert size == len(content)
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) < 4 * MEGABYTE


def test_a_blob_that_is_not_there_is_not_streamed(blobs: Blobs):
    blobs.put("results/other.1", b"x")
    with pytest.raises(FileNotFoundError):
        asyncio.run(blobs.stream("results/none.1"))
