"""The total number of pixels by a video's header, compared with the video that was written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from service.gateway.frame_count import total_pixels
from tests.videos import face_video, scene, still, write_video

FRAMES, WIDTH, HEIGHT = 40, 320, 240


def told(content: bytes) -> int:
    async def read(start: int, length: int) -> bytes:
        return content[start : start + length]

    return asyncio.run(total_pixels(read, len(content)))


@pytest.fixture(scope="module", params=["mp4", "mov", "mkv", "webm", "avi"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("v") / f"face.{request.param}"
    codec = "libvpx" if request.param == "webm" else "libx264"
    frames = scene([still()], seconds=FRAMES / 25, fps=25, size=(WIDTH, HEIGHT))
    return write_video(path, frames, fps=25, codec=codec).read_bytes()


def test_a_header_tells_width_times_height_times_frames(video: bytes):
    assert told(video) == pytest.approx(FRAMES * WIDTH * HEIGHT, rel=0.05)


def test_a_movie_box_before_the_pictures_and_after_a_large_box_is_found(tmp_path: Path):
    content = face_video(tmp_path / "face.mp4", seconds=FRAMES / 25).read_bytes()
    at = content.index(b"moov") - 4
    large = (1).to_bytes(4, "big") + b"free" + (16 + 100_000).to_bytes(8, "big") + bytes(100_000)

    assert told(content[:at] + large + content[at:]) == FRAMES * WIDTH * HEIGHT


def test_damaged_headers_tell_something_or_nothing_and_never_break(video: bytes):
    random = Random(1)
    for _ in range(300):
        damaged = bytearray(video[: random.randrange(len(video))])
        for _ in range(random.randrange(8)):
            if damaged:
                damaged[random.randrange(min(len(damaged), 3000))] = random.randrange(256)
        assert 0 <= told(bytes(damaged)) <= 7680 * 4320 * len(damaged) / 16


def test_absurd_numbers_of_frames_and_sizes_of_pictures_are_ignored(tmp_path: Path):
    content = face_video(tmp_path / "face.mp4", seconds=FRAMES / 25).read_bytes()
    count = content.index(b"stsz") + 12
    lie = content[:count] + (10**9).to_bytes(4, "big") + content[count + 4 :]
    assert told(lie) == WIDTH * HEIGHT * (len(lie) // 16)

    width = content.index(b"avc1", content.index(b"stsd")) + 28
    assert told(content[:width] + (65535).to_bytes(2, "big") * 2 + content[width + 4 :]) == 0


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


@pytest.mark.parametrize(("empty", "tells"), [(1000, True), (10_000, False), (2_000_000, False)])
def test_a_movie_box_of_more_boxes_than_any_has_tells_nothing(tmp_path: Path, empty: int, tells: bool):
    content = face_video(tmp_path / "face.mp4", seconds=FRAMES / 25).read_bytes()
    movie = content[content.index(b"moov") + 4 :]
    assert told(box(b"moov", box(b"free", b"") * empty + movie)) == (FRAMES * WIDTH * HEIGHT if tells else 0)


def test_boxes_count_in_all_tracks_together(tmp_path: Path):
    content = face_video(tmp_path / "face.mp4", seconds=FRAMES / 25).read_bytes()
    movie = content[content.index(b"moov") + 4 :]
    track = box(b"trak", box(b"free", b"") * 100)
    assert told(box(b"moov", track * 10 + movie)) == FRAMES * WIDTH * HEIGHT
    assert told(box(b"moov", track * 100 + movie)) == 0


@pytest.mark.parametrize(("empty", "tells"), [(1000, True), (10_000, False)])
def test_a_matroska_file_of_more_elements_than_any_has_tells_nothing(tmp_path: Path, empty: int, tells: bool):
    content = face_video(tmp_path / "face.mkv", seconds=FRAMES / 25).read_bytes()
    at = content.index(b"\x18\x53\x80\x67")
    void = b"\xec\x80"
    pixels = told(content[:at] + void * empty + content[at:])
    assert pixels == (pytest.approx(FRAMES * WIDTH * HEIGHT, rel=0.05) if tells else 0)


@pytest.mark.parametrize("content", [b"", b"text", b"RIFF", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftypmp42" + bytes(200)])
def test_what_has_no_header_tells_nothing(content: bytes):
    assert told(content) == 0
