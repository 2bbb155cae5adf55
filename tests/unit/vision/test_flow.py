import cv2
import numpy as np
import pytest

from service.vision.boxes import Box
from service.vision.flow import follow, grid, motion
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
