import os
from pathlib import Path
from threading import Thread

import pytest
import typer

from mien.cli.videos import local_file, named_videos, places


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a1.mp4", "a2.mov", "b[1].mp4", "deep/er/c.webm", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        (["."], ["a1.mp4", "a2.mov", "b[1].mp4", "deep/er/c.webm"]),
        (["a?.m*"], ["a1.mp4", "a2.mov"]),
        (["[ab]1.mp4"], ["a1.mp4"]),
        (["**/*.webm"], ["deep/er/c.webm"]),
        (["a**1.mp4"], ["a1.mp4"]),
        (["b[1].mp4"], ["b[1].mp4"]),  # is there, and so no pattern
        (["a1.mp4", "a*.mp4"], ["a1.mp4"]),
        (["gone.mp4"], ["gone.mp4"]),
        (["a1.mp4", "gone*.mp4"], ["a1.mp4", "gone*.mp4"]),
        (["gone[1].mp4"], ["gone[1].mp4"]),
    ],
)
def test_files_folders_and_patterns(folder: Path, named: list[str], meant: list[str]):
    assert list(places(folder / name for name in named)) == [folder / name for name in meant]


def test_what_macos_keeps_beside_a_video_is_passed_over(folder: Path):
    (folder / "deep" / "._a1.mp4").touch()
    assert [video.name for video in places([folder])] == ["a1.mp4", "a2.mov", "b[1].mp4", "c.webm"]
    assert places([folder / "deep" / "._a1.mp4"])  # it was asked for


def test_a_place_is_the_path_below_the_folder_or_the_name(folder: Path):
    found = places([folder / "deep", folder / "a1.mp4", folder])
    assert [str(place) for place in found.values()] == ["er/c.webm", "a1.mp4", "a2.mov", "b[1].mp4"]


def test_a_named_pipe_is_copied_to_a_file_that_can_be_read_twice(tmp_path: Path):
    pipe = tmp_path / "video.mp4"
    os.mkfifo(pipe)
    Thread(target=pipe.write_bytes, args=[b"the video"]).start()

    with local_file(str(pipe)) as copy:
        assert [copy.read_bytes(), copy.read_bytes()] == [b"the video"] * 2

    assert not copy.exists()


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        (["-", "a1.mp4"], "- stands alone"),
        (["a1.mp4", "https://example.org/a.mp4"], "is a URL"),
        (["empty"], "no video found in empty"),
    ],
)
def test_arguments_that_name_no_video_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: list[str], reason: str
):
    monkeypatch.chdir(folder)
    Path("empty").mkdir()
    with pytest.raises(typer.BadParameter, match=reason):
        named_videos(named)
