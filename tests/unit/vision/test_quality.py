"""Each part of a face's quality, with the astronaut made worse step by step."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision import quality
from service.vision.boxes import Box
from service.vision.crop import cut_out
from service.vision.quality import inside, light, sharpness, size, wholeness
from tests.videos import picture, still

SIDE = 96
BOX = Box(160 - SIDE / 2, 108 - SIDE / 2, SIDE, SIDE)


@pytest.fixture(scope="module", params=[False, True], ids=["one", "other"])
def shown(request):
    return picture(0, [still(other=request.param)])


@pytest.fixture
def luma(shown):
    x, y, side, _ = (round(value) for value in BOX)
    gray = cv2.cvtColor(shown[y : y + side, x : x + side], cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)


def clarity(shown, box):
    """The clarity of a face in a picture."""
    return quality.clarity(cut_out(shown, box, margin=0, size=quality.rated_at(box.w)), box, shown.shape)


def falls_to_nothing(values):
    """Whether values begin at 1, never rise and end at 0."""
    return values[0] == 1 and values[-1] == 0 and all(later <= earlier for earlier, later in pairwise(values))


def blurred(values, sigma):
    return cv2.GaussianBlur(values, (0, 0), sigma) if sigma else values


def test_a_plain_picture_of_a_face_is_clear(shown):
    assert clarity(shown, BOX) == 1


@given(
    x=st.floats(-60, 70),
    y=st.floats(-60, 50),
    side=st.floats(1, 90),
    levels=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    seed=st.integers(0, 9),
)
def test_clarity_is_a_share_whatever_is_in_the_box(x, y, side, levels, seed):
    noise = np.random.default_rng(seed).integers(min(levels), max(levels) + 1, (48, 64, 3), np.uint8)

    assert 0 <= clarity(noise, Box(x, y, side, side)) <= 1


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_clear_in_a_plain_box(level):
    assert clarity(np.full((240, 320, 3), level, np.uint8), BOX) == 0


def test_a_smaller_face_is_less_clear():
    assert falls_to_nothing([size(side) for side in (300, 64, 50, 40, 30, 20, 16, 8)])
    assert size(40) == 0.5


def test_a_face_that_leaves_the_picture_is_less_clear():
    assert falls_to_nothing([inside(Box(100 + x, 50, 100, 100), (200, 300, 3)) for x in range(0, 300, 10)])
    assert falls_to_nothing([inside(Box(-x, -x, 100, 100), (200, 300, 3)) for x in range(0, 150, 5)])


def test_a_darker_face_is_less_clear(luma):
    assert falls_to_nothing([light(luma * share) for share in (1, 0.5, 0.3, 0.2, 0.15, 0.1, 0.05)])
    assert light(luma * 0.5) == 1  # half the light is light enough


def test_an_over_exposed_face_is_less_clear(luma):
    assert falls_to_nothing([light((luma * gain).clip(0, 255)) for gain in (1, 1.5, 2, 3, 4, 6, 10, 60)])


def test_a_face_without_contrast_is_less_clear(luma):
    assert falls_to_nothing([light(128 + share * (luma - luma.mean())) for share in (1, 0.3, 0.2, 0.1, 0.05)])


def test_a_blurred_face_is_less_sharp(luma):
    assert falls_to_nothing([sharpness(blurred(luma, sigma)) for sigma in (0, 1, 2, 3, 4, 6, 8)])


def test_neither_contrast_nor_a_cameras_noise_makes_a_face_sharp(luma):
    noise = np.random.default_rng(0).normal(0, 2, luma.shape).astype(np.float32)

    for sigma in (0, 2, 3, 4):
        face = blurred(luma, sigma)
        assert sharpness(0.2 * face + 100) == pytest.approx(sharpness(face), abs=1e-3)
        assert sharpness(face + noise) <= sharpness(face) + 0.15


@pytest.mark.parametrize("edges", [1, 3])
@pytest.mark.parametrize("sigma", [0.5, 1.5, 2.0, 2.5])
def test_the_width_of_edges_is_the_blurs_however_few_there_are(edges, sigma):
    steps = np.zeros((64, 64), np.float32)
    for edge in range(1, edges + 1):
        steps[:, 64 * edge // (edges + 1) :] += 40

    width = np.sqrt(2) * np.hypot(sigma, 1.5)  # for ∫g'² = ∫g² / 2s², g a Gaussian; 1.5 pixels are the smoothing's

    assert sharpness(blurred(steps, sigma)) == pytest.approx(np.clip((4.8 - width) / 2.4, 0, 1), abs=0.05)


def test_a_large_face_may_be_blurred_by_more():
    assert clarity(blurred(picture(0, [still(side=0.4)]), 5), BOX) < 0.5
    large = Box(*(3 * value for value in BOX))
    assert clarity(blurred(picture(0, [still(side=0.4)], (960, 720)), 5), large) > 0.9


@pytest.mark.parametrize(
    "half", [np.s_[:, :32], np.s_[:, 32:], np.s_[:32], np.s_[32:]], ids=["left", "right", "upper", "lower"]
)
@pytest.mark.parametrize("level", [20, 128, 220])
def test_a_face_with_a_covered_half_is_not_whole(luma, half, level):
    covered = luma.copy()
    covered[half] = level

    assert wholeness(luma) == 1
    assert wholeness(covered) < 0.1


def test_a_face_is_covered_little_by_little(luma):
    parts = []
    for columns in range(0, 33, 4):
        covered = luma.copy()
        covered[:, :columns] = 128
        parts.append(wholeness(covered))

    assert falls_to_nothing(parts)


def test_a_face_that_is_lit_from_one_side_is_whole(luma):
    assert wholeness(luma * np.linspace(0.25, 1, 64, dtype=np.float32)) > 0.9
