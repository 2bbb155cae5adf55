import cv2
import numpy as np
import pytest

from model.data.media import ClipUnreadable, frame_files, in_order, open_held, open_media, read_still, sample
from tests.datasets import put_huge_picture
from tests.unit.model.data.conftest import numbered, numbers
from tests.videos import write_video


@pytest.fixture
def stored(tmp_path):
    """Store the same 25 frames, at 25 a second, as a video, as a folder, and in memory."""
    video = write_video(tmp_path / "clip.mp4", numbered(25))
    folder = tmp_path / "clip"
    folder.mkdir()
    for index, picture in enumerate(numbered(25), 1):
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return {
        "video": lambda: open_media(video, None),
        "folder": lambda: open_media(folder, 25.0),
        "held video": lambda: open_held("clip", {"mp4": video.read_bytes()}, None),
        "held frames": lambda: open_held("clip", {p.name: p.read_bytes() for p in folder.iterdir()}, 25.0),
    }


KINDS = ["video", "folder", "held video", "held frames"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("start_s", "interval_s", "expected"),
    [
        (0.0, 0.08, [0, 2, 4, 6]),
        (0.1, 0.04, [2, 3, 4, 5]),  # at 0.1 s the frame of 0.08 s is on display
        (0.0, 0.02, [0, 0, 1, 1]),
        (0.0, 0.24, [0, 6, 12, 18]),
        (0.9, 0.04, [22, 23, 24, 24]),  # the last is repeated
        (0.0, 0.5, [0, 12, 12, 12]),
    ],
)
def test_what_is_on_display_is_taken_whatever_a_clip_is_stored_as(stored, kind, start_s, interval_s, expected):
    with stored[kind]() as media:
        assert numbers(sample(media, start_s, frames=4, interval_s=interval_s)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_its_duration_is_known(stored, kind):
    with stored[kind]() as media:
        assert media.duration_s == pytest.approx(1.0)


def test_a_late_start_of_a_long_video_seeks_to_the_right_frame(tmp_path):
    pictures = (np.full((32, 32, 3), 8 * (index % 30), np.uint8) for index in range(250))
    video = write_video(tmp_path / "long.mp4", pictures)

    with open_media(video, None) as media:
        assert numbers(sample(media, 8.0, frames=3, interval_s=0.04)) == [200 % 30, 201 % 30, 202 % 30]


def test_flv_is_read_here(tmp_path):
    video = write_video(tmp_path / "clip.flv", numbered(10), codec="flv")

    with open_media(video, None) as media:
        assert numbers(sample(media, 0.0, frames=3, interval_s=0.08)) == [0, 2, 4]


def test_numbers_in_names_count_as_numbers(tmp_path):
    for name in ("10.jpg", "9.jpg", "008.jpg", "notes.txt"):
        (tmp_path / name).touch()

    assert [path.name for path in frame_files(tmp_path)] == ["008.jpg", "9.jpg", "10.jpg"]
    assert in_order("frame_2.png") < in_order("frame_10.png")


def test_colours_are_red_green_blue(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.full((8, 8, 3), (0, 0, 200), np.uint8))  # OpenCV writes blue first

    with open_media(tmp_path, 25.0) as media:
        assert sample(media, 0.0, frames=1, interval_s=0.04)[0][0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize(
    ("spoil", "fps", "reason"),
    [
        (lambda path: path.write_bytes(b"no video at all"), None, "cannot be read as MP4"),
        (lambda path: path.touch(), None, "empty"),
        (lambda path: None, None, "No such file"),
        (lambda path: path.mkdir(), 25.0, "no picture in it"),
        (lambda path: None, 25.0, "No such file"),
        (lambda path: (path.mkdir(), (path / "1.jpg").write_bytes(b"x")), 25.0, "1.jpg is no picture"),
        (lambda path: (path.mkdir(), (path / "1.jpg").touch()), 25.0, "1.jpg is no picture"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, spoil, fps, reason):
    path = tmp_path / "clip.mp4"
    spoil(path)

    with pytest.raises(ClipUnreadable, match=f"{path} cannot be read: .*{reason}"), open_media(path, fps) as media:
        sample(media, 0.0, frames=1, interval_s=0.04)


def test_a_picture_beyond_opencvs_limits_is_named(tmp_path):
    put_huge_picture(tmp_path / "huge.bmp")

    with pytest.raises(ClipUnreadable, match=r"huge\.bmp cannot be read: Its frame huge\.bmp is too large or damaged"):
        read_still(tmp_path / "huge.bmp")
