import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from model.data.augment import FinetuneAugmentation, PretrainAugmentation, as_floats
from model.pretrain import PretrainRecipe
from model.train.config import read_recipe

NOTHING = {"layers": 0, "area": (1, 1), "ratio": 1, "flip": 0, "erase": 0}


def clip(frames=3, side=24, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), np.uint8)


def still(side=24):
    """The same picture four times: what is done to one frame is done to all."""
    return np.repeat(clip(1, side), 4, axis=0)


def test_floats_are_the_pixels_by_255_with_colours_first():
    pixels = torch.from_numpy(np.stack([clip(), clip(seed=1)]))

    floats = as_floats(pixels)

    assert floats.shape == (2, 3, 3, 24, 24)
    assert floats.dtype == torch.float32
    assert floats.is_contiguous()
    assert floats[1, 2, 0, 5, 7] == pixels[1, 0, 5, 7, 2] / 255


@pytest.mark.parametrize("augment", [PretrainAugmentation(), FinetuneAugmentation(erase=1)])
def test_a_clip_stays_of_its_shape_and_all_frames_are_treated_alike(augment):
    for seed in range(60):
        done = augment(still(), np.random.default_rng(seed))

        assert done.shape == (4, 24, 24, 3)
        assert done.dtype == np.uint8
        if isinstance(augment, PretrainAugmentation):
            assert (done == done[:1]).all()


def test_without_noise_all_frames_are_the_same():
    augment = FinetuneAugmentation(erase=0)

    assert all(
        (done == done[:1]).all() for seed in range(60) for done in [augment(still(), np.random.default_rng(seed))]
    )


@given(st.integers(0, 2**32))
@settings(max_examples=30)
def test_the_same_draw_gives_the_same_clip_and_leaves_the_original(seed):
    original = clip()
    before = original.copy()
    augment = FinetuneAugmentation(erase=1)

    one, other = (augment(original, np.random.default_rng(seed)) for _ in range(2))

    assert (one == other).all()
    assert (original == before).all()


def test_pretraining_takes_squares_from_the_corners_and_the_middle():
    side, scale = 32, 0.5
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1)  # (H, W, 2): each pixel knows its x and y
    ramp = np.concatenate([at * 7, np.zeros((side, side, 1))], -1).astype(np.uint8)[None]
    augment = PretrainAugmentation(scales=(scale,))

    corners = set()
    for seed in range(80):
        done = augment(ramp, np.random.default_rng(seed))
        left, top = done[0, 0, 0, :2] / 7
        right, bottom = done[0, -1, -1, :2] / 7
        corners.add((round(float(left)), round(float(top))))
        assert (right - left, bottom - top) == pytest.approx((15, 15), abs=0.3)

    assert corners == {(0, 0), (16, 0), (0, 16), (16, 16), (8, 8)}


def test_the_recipe_for_pretraining_takes_the_parts_of_the_published_code(monkeypatch):
    side, scales, taken = 160, (1, 0.875, 0.75), set()
    augment = read_recipe("pretrain", [f"augmentation.scales={list(scales)}"], PretrainRecipe).augmentation
    monkeypatch.setattr("model.data.augment._resized_crop", lambda clip, *part: taken.add(part))

    for seed in range(3000):
        augment(np.zeros((1, side, side, 3), np.uint8), np.random.default_rng(seed))

    # GroupMultiScaleCrop with max_distort=1 and more_fix_crop, written out.
    sizes = [int(side * scale) for scale in scales]
    expected = set()
    for i, h in enumerate(sizes):
        for j, w in enumerate(sizes):
            if abs(i - j) <= 1:
                x, y = (side - w) // 4, (side - h) // 4
                steps = [(0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 4), (2, 0)]
                steps += [(1, 1), (3, 1), (1, 3), (3, 3)]
                expected |= {(across * x, down * y, w, h) for across, down in steps}
    assert taken == expected


def test_pretraining_never_mirrors_and_may_leave_the_whole():
    ramp = np.broadcast_to(np.arange(0, 240, 10, dtype=np.uint8)[None, None, :, None], (1, 24, 24, 3))

    done = [PretrainAugmentation()(ramp, np.random.default_rng(seed)) for seed in range(40)]

    assert all((np.diff(one[0, 0, :, 0].astype(int)) >= 0).all() for one in done)
    assert any((one == ramp).all() for one in done)


def test_the_scales_are_those_of_the_paper():
    assert PretrainAugmentation().scales == (1, 0.875, 0.75, 0.66)


def test_nothing_is_done_where_nothing_is_asked_for():
    augment = FinetuneAugmentation(**NOTHING)

    assert (augment(clip(), np.random.default_rng(0)) == clip()).all()


def test_a_still_is_any_two_neighbours_of_a_clip():
    augment, whole = FinetuneAugmentation(**NOTHING | {"stills": True}), clip(frames=4)

    taken = [augment(whole, np.random.default_rng(seed)) for seed in range(30)]

    found = {next(at for at in range(3) if np.array_equal(done, whole[at : at + 2])) for done in taken}
    assert found == {0, 1, 2}


def test_a_flip_mirrors():
    augment = FinetuneAugmentation(**NOTHING | {"flip": 1})

    assert (augment(clip(), np.random.default_rng(0)) == clip()[:, :, ::-1]).all()


def test_half_of_the_clips_are_mirrored():
    augment = FinetuneAugmentation(**NOTHING | {"flip": 0.5})
    mirrored = [(augment(clip(), np.random.default_rng(seed)) != clip()).any() for seed in range(200)]

    assert 70 < sum(mirrored) < 130


def test_erasing_fills_one_rectangle_in_all_frames_with_noise():
    augment = FinetuneAugmentation(**NOTHING | {"erase": 1})
    white = np.full((3, 60, 60, 3), 255, np.uint8)
    shares = []
    for seed in range(40):
        gone = (augment(white, np.random.default_rng(seed)) != 255).any(axis=-1)
        rows, columns = np.nonzero(gone.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        shares.append(height * width / 3600)
        assert gone[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].mean() > 0.97

    assert 0.01 < min(shares) < 0.1
    assert 0.2 < max(shares) < 0.37


def test_a_quarter_of_the_clips_are_erased():
    augment = FinetuneAugmentation(**NOTHING | {"erase": 0.25})
    erased = [(augment(clip(), np.random.default_rng(seed)) != clip()).any() for seed in range(200)]

    assert 30 < sum(erased) < 70


@given(st.floats(0.05, 1))
@settings(max_examples=20)
def test_a_crop_has_the_area_that_is_asked_for(share):
    side = 64
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1)
    ramp = np.concatenate([at * 3, np.zeros((side, side, 1))], -1).astype(np.uint8)[None]
    augment = FinetuneAugmentation(**NOTHING | {"area": (share, share), "ratio": 4 / 3})

    done = augment(ramp, np.random.default_rng(3))[0].astype(float)

    width, height = ((done[-1, -1] - done[0, 0])[:2] / 3 + 1).tolist()
    assert width * height / side**2 <= share + 0.06
    assert width * height / side**2 >= share - 0.15  # a wide crop of nearly all is cut at the sides
    assert 0.7 < width / height < 1.43


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError):
        FinetuneAugmentation(colour=1)
