from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from service.vision.boxes import Box
from service.vision.crop import cut_out
from service.vision.frames import Limits, open_video
from service.vision.picture import SMALL_SIDE, WORKING_SIDE, FramePictures, Upright, orientation
from tests.unit.vision.exif import with_exif
from tests.videos import picture, still, write_video

LIMITS = Limits(max_pixels=8192 * 4320, max_duration_s=3600, max_frames=10**6)

# Upper left, upper right, lower left, lower right.
CORNERS = np.array([[[200, 30, 30], [30, 180, 40]], [[40, 50, 210], [220, 200, 60]]], np.uint8)


def card(height, width):
    """A picture of four colours."""
    return np.repeat(np.repeat(CORNERS, height // 2, 0), width // 2, 1)


def corners_of(picture):
    height, width = picture.shape[:2]
    rows, columns = (height // 4, height * 3 // 4), (width // 4, width * 3 // 4)
    return np.array([[picture[row, column] for column in columns] for row in rows])


def first_picture(path):
    with open_video(path, LIMITS) as video:
        return video.upright(next(video.read(0, None)).frame), video.opened


def matrix(a, b, c, d):
    one = 1 << 16
    return np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], np.int32).tobytes()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((1, 0, 0, 1), (0, False)),
        ((0, -1, 1, 0), (1, False)),
        ((-1, 0, 0, -1), (2, False)),
        ((0, 1, -1, 0), (3, False)),
        ((-1, 0, 0, 1), (0, True)),
        ((1, 0, 0, -1), (2, True)),
    ],
)
def test_a_display_matrix_is_read_as_quarter_turns_and_mirroring(entries, expected):
    assert orientation(matrix(*entries)) == expected


def test_the_orientation_undoes_what_the_matrix_does_to_points():
    for entries in [(0, -1, 1, 0), (0, 1, -1, 0), (0, 1, 1, 0), (0, -1, -1, 0), (-1, 0, 0, 1), (-1, 0, 0, -1)]:
        a, b, c, d = entries
        turns, mirrored = orientation(matrix(*entries))
        shown = np.zeros((3, 3))
        shown[1 + 0, 1 + 1] = 1  # right of the middle: p = 1, q = 0
        shown[1 + 1, 1 + 0] = 2  # below the middle
        moved = np.zeros((3, 3))
        moved[1 + b, 1 + a] = 1
        moved[1 + d, 1 + c] = 2

        assert (np.rot90(shown[:, ::-1] if mirrored else shown, turns) == moved).all(), entries


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_in_the_metadata_is_applied_to_pixels_and_sizes(tmp_path, suffix, rotation):
    upright = card(64, 96)
    stored = np.ascontiguousarray(np.rot90(upright, -rotation // 90))
    path = write_video(tmp_path / f"v.{suffix}", [stored] * 3, rotation=rotation)

    picture, opened = first_picture(path)

    assert (opened.width, opened.height) == (96, 64)
    assert np.abs(corners_of(picture).astype(int) - CORNERS).max() <= 6


def test_mirroring_in_the_metadata_is_applied(tmp_path):
    path = write_video(tmp_path / "v.mp4", [np.ascontiguousarray(card(64, 96)[:, ::-1])] * 3, mirrored=True)

    picture, _ = first_picture(path)

    assert np.abs(corners_of(picture).astype(int) - CORNERS).max() <= 6


def by_the_book(rgb, kr, kb, full):
    """R'G'B' → 8-bit Y'CbCr as BT.601 and BT.709 write it."""
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    return (255 * y, 128 + 255 * cb, 128 + 255 * cr) if full else (16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_orientation_that_changes_on_the_way_is_followed(tmp_path, orientation):
    upright, path = card(64, 96), tmp_path / "v.mkv"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for index in range(6):
            packet = av.Packet(with_exif(upright, orientation if index >= 3 else 1))
            packet.pts = packet.dts = index
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            film.mux(packet)

    with open_video(path, LIMITS) as video:
        shown = [video.upright(timed.frame) for timed in video.read(0, None)]

    assert [picture.shape for picture in shown] == [upright.shape] * 6
    assert all(np.abs(corners_of(picture).astype(int) - CORNERS).max() <= 6 for picture in shown)
    assert video.warnings == []  # upright, the size is the same


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("code", "weights", "height"),
    [
        pytest.param(6, (0.299, 0.114), 64, id="BT.601"),
        pytest.param(1, (0.2126, 0.0722), 64, id="BT.709"),
        pytest.param(2, (0.299, 0.114), 64, id="unnamed and small"),
        pytest.param(2, (0.2126, 0.0722), 720, id="unnamed and HD"),
    ],
)
def test_colours_follow_the_frames_matrix_and_range(code, weights, height, full):
    width = height * 3 // 2
    for colour in CORNERS.reshape(-1, 3):
        frame = av.VideoFrame(width, height, "yuv444p")
        for plane, value in zip(frame.planes, by_the_book(colour, *weights, full), strict=True):
            plane.update(bytes([round(value)]) * plane.buffer_size)
        frame.colorspace = code
        frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG

        picture = Upright(frame)(frame)

        assert np.abs(picture[height // 2, width // 2].astype(int) - colour).max() <= 3


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("mkv", "libx264rgb", "rgb24"),
        ("mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_colours_come_back_as_they_were_encoded(tmp_path, suffix, codec, pixels):
    path = write_video(tmp_path / f"v.{suffix}", [card(64, 96)] * 3, codec=codec, pixel_format=pixels)

    picture, _ = first_picture(path)

    assert np.abs(corners_of(picture).astype(int) - CORNERS).max() <= 6


@pytest.mark.parametrize(("full", "expected"), [(False, [0, 128, 255]), (True, [16, 126, 235])])
@pytest.mark.parametrize(("pixels", "dtype", "scale"), [("gray", np.uint8, 1), ("gray10le", np.uint16, 4)])
def test_grey_follows_the_frames_range(pixels, dtype, scale, full, expected):
    levels = np.repeat(np.array([[16, 126, 235]], dtype) * dtype(scale), 48, 0).repeat(32, 1)
    frame = av.VideoFrame.from_ndarray(levels, format=pixels)
    frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG

    assert np.array_equal(Upright(frame)(frame)[24, 16::32], np.array([expected] * 3).T)


def test_grey_of_a_file_without_a_declared_range_is_limited(tmp_path):
    pictures = [np.full((64, 64, 3), level, np.uint8) for level in (16, 235)]
    path = write_video(tmp_path / "v.mp4", pictures, codec="libx265", pixel_format="gray")

    with open_video(path, LIMITS) as video:
        means = [video.upright(shown.frame).mean() for shown in video.read(0, None)]

    assert means == pytest.approx([0, 255], abs=2)


def test_big_frames_are_worked_on_at_a_bounded_size(tmp_path):
    path = write_video(tmp_path / "v.mp4", [card(1200, 2400)] * 2)

    picture, opened = first_picture(path)

    assert picture.shape == (640, WORKING_SIDE, 3)
    assert (opened.width, opened.height) == (2400, 1200)


@pytest.mark.parametrize(("size", "small"), [((1280, 720), (SMALL_SIDE, 180)), ((90, 100), (90, 100))])
@pytest.mark.parametrize("turned", [(0, False), (1, True)])
def test_the_small_picture_shows_the_same_and_never_grows(size, small, turned):
    frame = av.VideoFrame.from_ndarray(card(*size[::-1]), format="rgb24")
    upright = Upright(frame, turned=turned)

    shown = upright.small(frame)

    assert shown.shape[1::-1] == (small[::-1] if turned[0] else small)
    assert np.abs(corners_of(shown).astype(int) - corners_of(upright(frame))).max() <= 3


def test_a_frame_with_side_data_that_the_library_does_not_know_keeps_its_rotation(tmp_path, monkeypatch):
    stored = np.ascontiguousarray(np.rot90(card(64, 96), -1))
    path = write_video(tmp_path / "v.mp4", [stored] * 3, rotation=90)

    def unknown(_frame):
        raise ValueError("31 is not a valid Type")

    monkeypatch.setattr("service.vision.picture.SideDataContainer", unknown)
    picture, opened = first_picture(path)

    assert (opened.width, opened.height) == (96, 64)
    assert np.abs(corners_of(picture).astype(int) - CORNERS).max() <= 6


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12", "gray", "rgb24"]
)
@pytest.mark.parametrize("size", [(640, 480), (162, 122), (163, 121), (1280, 720), (1920, 1080)])
def test_a_crop_is_the_same_as_from_all_of_the_frame(pixels, size, full_range):
    frame = av.VideoFrame.from_ndarray(picture(0, [still()], size), format="rgb24").reformat(format=pixels)
    frame.color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    upright = Upright(frame)
    width, height = upright.size

    for share, x, y in [(0.2, 0.5, 0.4), (0.7, 0.5, 0.5), (0.5, 1.0, 1.0), (0.3, 0.0, 0.1), (0.3, 1.4, -0.6)]:
        side = share * height
        box = Box(x * width - side / 2, y * height - side / 2, side, side)
        crop = FramePictures(upright, frame).cut_out(box, margin=0.1, size=80)

        assert (crop == cut_out(upright(frame), box, margin=0.1, size=80)).all()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("aspect", [1.0, 4 / 3])
def test_a_crop_of_a_turned_or_stretched_frame_is_upright(turns, mirrored, aspect):
    frame = av.VideoFrame.from_ndarray(picture(0, [still()], (480, 360)), format="rgb24").reformat(format="yuv420p")
    upright = Upright(frame, aspect, turned=(turns, mirrored))
    box = Box(0.3 * upright.size[0], 0.35 * upright.size[1], 120, 120)

    crop = FramePictures(upright, frame).cut_out(box, margin=0, size=60)

    assert (crop == cut_out(upright(frame), box, margin=0, size=60)).all()


def test_a_crop_of_an_interlaced_frame_is_the_same_as_from_all_of_it(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    path = write_video(tmp_path / "v.mp4", [colours], options={"flags": "+ilme+ildct", "crf": "10"})
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    upright, box = Upright(frame), Box(200, 150, 200, 200)

    crop = FramePictures(upright, frame).cut_out(box, margin=0.1, size=80)

    assert frame.interlaced_frame
    assert (crop == cut_out(upright(frame), box, margin=0.1, size=80)).all()
