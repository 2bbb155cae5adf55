import errno
import os
import shutil
from pathlib import Path
from threading import Thread

import pytest
import typer

from mien.cli.atomic import require_writable, unfinished, write_atomically


def test_a_file_takes_the_targets_place_when_it_is_complete(tmp_path):
    target = tmp_path / "out.mp4"
    target.write_text("old")

    with unfinished(target) as path:
        path.write_text("new")
        assert target.read_text() == "old"

    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert target.read_text() == "new"


@pytest.mark.parametrize("older", [True, False])
def test_a_failure_leaves_no_file_and_an_older_one_as_it_was(tmp_path, older):
    target = tmp_path / "out.mp4"
    if older:
        target.write_text("old")

    def write_half():
        with unfinished(target) as path:
            path.write_text("half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full") as told:
        write_half()
    assert told.value.filename == str(target)

    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == ({"out.mp4": "old"} if older else {})


def test_names_that_are_not_utf_8_are_written_as_they_are(tmp_path):
    write_atomically(tmp_path / "out.csv", b"caf\xe9".decode(errors="surrogateescape"))

    assert (tmp_path / "out.csv").read_bytes() == b"caf\xe9"


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_stays_and_the_file_it_leads_to_is_written(tmp_path, there):
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "report.html", tmp_path / "link.html"
    link.symlink_to(Path("kept") / "report.html")
    if there:
        target.write_text("old")

    write_atomically(link, "new")

    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [file.name for file in target.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize("linked", [True, False])
def test_a_named_pipe_stays_and_gets_the_bytes(tmp_path, linked):
    pipe = target = tmp_path / "pipe"
    os.mkfifo(pipe)
    if linked:
        target = tmp_path / "link"
        target.symlink_to(pipe)
    got = []
    reader = Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()

    write_atomically(target, "page")

    assert pipe.is_fifo()
    reader.join(30)
    assert got == [b"page"]


def test_a_device_that_is_full_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    os.mkfifo(tmp_path / "pipe")
    Thread(target=(tmp_path / "pipe").read_bytes, daemon=True).start()
    monkeypatch.setattr(shutil, "copyfileobj", full)

    with pytest.raises(OSError, match="No space left") as told:
        write_atomically(tmp_path / "pipe", "page")

    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / "pipe"))


def test_a_file_that_cannot_be_written_is_named_as_the_user_named_it(tmp_path):
    with pytest.raises(FileNotFoundError) as told:
        write_atomically(tmp_path / "none" / "out.csv", "text")

    assert told.value.filename == str(tmp_path / "none" / "out.csv")


def test_places_that_cannot_be_written_to_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    for target, folder, said in [
        (tmp_path, False, "is a folder; name a file"),
        (file, True, "is a file; name a folder"),
        (file / "below" / "out.mp4", False, "cannot be written to"),
        (file / "below", True, "cannot be written to"),
    ]:
        with pytest.raises(typer.BadParameter, match=f"--out: .*{said}"):
            require_writable(target, "--out", folder=folder)

    for target, folder in [(file, False), (tmp_path / "new" / "out.mp4", False), (tmp_path / "new" / "folder", True)]:
        require_writable(target, "--out", folder=folder)

    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(typer.BadParameter, match="cannot be written to"):
        require_writable(tmp_path / "out.html", "--out")
