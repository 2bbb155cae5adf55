import cv2
import numpy as np
import pytest

from service.vision.faces import Box
from service.vision.flow import corners, follow, grid, looks, motion, thumbnail_likeness
from tests.videos import picture, still

SIZE = (320, 240)
FACE = Box(112, 60, 96, 96)


def gray(rgb):
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def moved(rgb, dx, dy, growth):
    """The picture, shifted and grown about the face's centre."""
    x, y = FACE.x + FACE.w / 2 - 0.5, FACE.y + FACE.h / 2 - 0.5
    to = np.array([[growth, 0, x - growth * x + dx], [0, growth, y - growth * y + dy]])
    return cv2.warpAffine(rgb, to, SIZE, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize(("dx", "dy", "growth"), [(0, 0, 1), (3.3, -2.6, 1), (0, 0, 1.04), (-6, 4, 0.97)])
def test_motion_is_recovered_from_a_faces_points(dx, dy, growth):
    before = picture(0, [still()], SIZE)
    points = grid(FACE)

    after, good = follow(gray(before), gray(moved(before, dx, dy, growth)), points)
    found = motion(points[good], after[good])

    assert good.mean() > 0.8
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=0.25)
    assert found.growth == pytest.approx(growth, abs=0.006)


def test_points_do_not_survive_another_face_at_the_same_place():
    one, two = (picture(0, [still(other=other)], SIZE, other=other) for other in (False, True))

    for points in (grid(FACE), corners(gray(one))):
        assert follow(gray(one), gray(two), points)[1].mean() < 0.2


def test_points_survive_a_cameras_noise():
    random = np.random.default_rng(0)
    shown = picture(0, [still()], SIZE)
    one, two = (np.clip(shown + random.normal(0, 6, shown.shape), 0, 255).astype(np.uint8) for _ in range(2))

    assert follow(gray(one), gray(two), grid(FACE))[1].mean() > 0.6


def test_a_faces_points_lie_all_over_it_but_not_at_its_rim():
    points = grid(Box(10, 20, 100, 100))

    assert len(points) == 49
    assert points.min(0).tolist() == [20, 30]
    assert points.max(0).tolist() == [100, 110]


def test_no_points_are_followed_to_none():
    blank = np.zeros((240, 320), np.uint8)

    after, good = follow(blank, blank, corners(blank))

    assert after.shape == (0, 2)
    assert good.shape == (0,)


def test_looks_do_not_depend_on_brightness_and_contrast_but_on_the_person():
    one, two = (picture(0, [still(other=other)], SIZE) for other in (False, True))
    darker = (one * 0.6 + 20).astype(np.uint8)

    assert looks(one, FACE) @ looks(darker, FACE) > 0.97
    assert looks(one, FACE) @ looks(two, FACE) < 0.8
    assert np.linalg.norm(looks(one, FACE)) == pytest.approx(1, abs=1e-3)


def test_thumbnails_tell_a_flash_from_another_picture():
    one, two = gray(picture(0, [still()], SIZE)), gray(picture(0, [still(0.2)], SIZE, other=True))
    flash = np.clip(one * 1.5, 0, 255).astype(np.uint8)

    assert thumbnail_likeness(one, flash)[0] > 0.9
    assert thumbnail_likeness(one, two)[0] < 0.9
    assert thumbnail_likeness(one, one)[1] == 0
