import tracemalloc

import cv2
import numpy as np
import pytest

from service.vision.boxes import Box
from service.vision.crop import cut_out


def spot(x, y, shape=(100, 200), sigma=6.0):
    """A soft bright spot whose centre is at (x, y), pixel centres being at halves."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    gray = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(gray[..., None], 3, 2).astype(np.uint8)


def centre_of(crop):
    weights = crop[..., 0].astype(float)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]] + 0.5
    return (columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum()


def test_a_crop_is_square_with_the_margin_on_each_side():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[30:70, 40:60] = 255  # 20 wide, 40 high: the side is 1.5 × 40 = 60

    crop = cut_out(picture, Box(40, 30, 20, 40), margin=0.25, size=60)

    assert crop.shape == (60, 60, 3)
    assert crop.dtype == np.uint8
    assert (crop[10:50, 20:40] == 255).all()
    assert crop.astype(int).sum() == 20 * 40 * 3 * 255


@pytest.mark.parametrize("size", [16, 40, 112, 224])
@pytest.mark.parametrize("x", [100.0, 100.3, 100.75])
def test_the_boxs_centre_is_the_crops_centre_to_a_fraction_of_a_pixel(size, x):
    crop = cut_out(spot(x, 50.4), Box(x - 20, 30.4, 40, 40), margin=0.2, size=size)

    assert centre_of(crop) == pytest.approx((size / 2, size / 2), abs=0.004 * size)


def test_shrinking_averages_areas_and_does_not_skip_pixels():
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[::2] = 255

    crop = cut_out(picture, Box(0, 0, 256, 256), margin=0, size=32)

    assert crop.min() > 100
    assert crop.max() < 155


def test_shrinking_by_whole_numbers_is_the_same_as_area_interpolation():
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)

    crop = cut_out(picture, Box(0, 0, 128, 128), margin=0, size=32)

    reference = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(crop.astype(int) - reference).max() <= 1


def test_what_leaves_the_picture_is_filled_with_its_edge():
    picture = np.full((60, 60, 3), 50, np.uint8)
    picture[:, 0] = (200, 10, 90)

    crop = cut_out(picture, Box(-20, 10, 40, 40), margin=0, size=40)

    assert (crop[:, :20] == (200, 10, 90)).all()
    assert (crop[:, 21:] == 50).all()


def test_a_huge_face_with_a_huge_margin_takes_little_memory():
    picture = np.zeros((720, 1280, 3), np.uint8)

    tracemalloc.start()
    crop = cut_out(picture, Box(-500, -500, 3000, 3000), margin=2, size=112)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert crop.shape == (112, 112, 3)
    assert peak < 4 << 20
