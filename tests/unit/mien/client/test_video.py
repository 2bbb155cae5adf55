import io
import os
from pathlib import Path

import pytest

from mien.client.video import open_video
from mien.contract.errors import EmptyUpload


def read_twice(video) -> tuple[bytes, bytes, int]:
    with open_video(video) as opened:
        copies = []
        for _ in range(2):
            opened.file.seek(opened.start)
            copies.append(opened.file.read())
        return *copies, opened.size


def test_paths_bytes_and_open_files_are_read_as_often_as_needed(tmp_path: Path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"video")
    with path.open("rb") as file:
        for video in (path, str(path), b"video", bytearray(b"video"), memoryview(b"video"), file, io.BytesIO(b"video")):
            assert read_twice(video) == (b"video", b"video", 5)
            if video is file:
                assert not file.closed
                file.seek(0)


def test_an_open_file_is_read_from_where_it_is():
    file = io.BytesIO(b"headvideo")
    file.seek(4)
    assert read_twice(file) == (b"video", b"video", 5)


def test_an_open_file_at_its_end_is_an_error():
    file = io.BytesIO()
    file.write(b"video")
    with pytest.raises(EmptyUpload, match=r"seek\(0\)"), open_video(file):
        pass


def test_a_pipe_is_copied():
    reader, writer = os.pipe()
    os.write(writer, b"video")
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert read_twice(pipe) == (b"video", b"video", 5)


def test_what_is_no_video_is_a_type_error():
    with pytest.raises(TypeError, match="binary mode"), open_video(io.StringIO("video")):
        pass
    with pytest.raises(TypeError, match="not of int"), open_video(7):
        pass
