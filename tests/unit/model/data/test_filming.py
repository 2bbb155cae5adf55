import cv2
import numpy as np
import pytest

from model.data.filming import Filming

OFF = dict.fromkeys(Filming.model_fields, 0)
ALL = {**dict.fromkeys(("grey", "side_light", "detail", "noise", "compression"), 1.0), "motion": 0.05}


def filmed(clip, seed=0, **parts):
    return Filming(**OFF | parts)(clip, np.random.default_rng(seed))


@pytest.fixture
def clip():
    """A coloured square on a dark ground, the same in four frames."""
    picture = np.full((64, 64, 3), 40, np.uint8)
    picture[20:44, 20:44] = (200, 120, 60)
    return np.stack([picture] * 4)


def middle(picture):
    """Where the square's middle is, (x, y) in pixels."""
    rows, columns = np.nonzero(picture[..., 0] > 120)
    return np.array((columns.mean(), rows.mean()))


def test_with_nothing_to_draw_the_clip_stays_as_it_is(clip):
    assert np.array_equal(filmed(clip), clip)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_draw_gives_the_same_clip_and_leaves_the_one_handed_in(clip, seed):
    before = clip.copy()

    one, other = filmed(clip, seed, **ALL), filmed(clip, seed, **ALL)

    assert np.array_equal(one, other)
    assert np.array_equal(clip, before)
    assert one.shape == clip.shape
    assert one.dtype == np.uint8
    assert not np.array_equal(one, filmed(clip, seed + 100, **ALL))


def test_only_the_camera_moves_within_a_clip(clip):
    still = filmed(clip, scale=0.15, shift=0.05, turn=10, tint=0.2, light=0.4, side_light=1, detail=1, noise=1)
    moved = filmed(clip, motion=0.1)

    assert all(np.array_equal(picture, still[0]) for picture in still)
    assert np.abs(middle(moved[-1]) - middle(moved[0])).max() > 1


def test_boxes_are_up_to_so_much_off_as_was_asked(clip):
    places = np.array([middle(filmed(clip, seed, shift=0.1)[0]) for seed in range(60)]) - middle(clip[0])
    areas = [(filmed(clip, seed, scale=0.2)[0, ..., 0] > 120).sum() / 24**2 for seed in range(60)]

    assert 5 < np.abs(places).max() <= 6.5  # of 64 pixels
    assert min(areas) < 0.8
    assert max(areas) > 1.25
    assert 1 / 1.2**2 - 0.1 < min(areas) <= max(areas) < 1.2**2 + 0.1


def test_beyond_the_picture_its_edge_is_repeated(clip):
    assert filmed(clip, 1, scale=0.5, shift=0.2, turn=30).min() >= 39


def test_colour_is_lost_and_no_tint_brings_it_back(clip):
    grey = filmed(clip, grey=1, tint=0.5)

    assert np.ptp(grey.astype(int), axis=-1).max() == 0
    assert grey[0, 32, 32, 0] == pytest.approx(0.299 * 200 + 0.587 * 120 + 0.114 * 60, abs=1)


def test_light_changes_brightness_and_side_light_one_side_more_than_the_other():
    plain = np.full((2, 32, 32, 3), 128, np.uint8)

    means = [filmed(plain, seed, light=0.4).mean() for seed in range(40)]
    slopes = [filmed(plain, seed, side_light=1)[0].astype(int) for seed in range(10)]

    assert min(means) < 100
    assert max(means) > 156
    assert np.mean([np.ptp(slope) for slope in slopes]) > 40


@pytest.mark.parametrize("part", ["detail", "compression"])
def test_detail_is_lost(part):
    fine = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), np.uint8)

    found = filmed(fine, 3, **{part: 1})

    assert cv2.Laplacian(found[0], cv2.CV_32F).var() < cv2.Laplacian(fine[0], cv2.CV_32F).var() * 0.9


def test_a_single_frame_is_a_clip(clip):
    assert filmed(clip[:1], **ALL, scale=0.1).shape == (1, 64, 64, 3)
