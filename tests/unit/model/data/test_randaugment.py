"""Each operation against what Pillow's operation of the same name does, written out."""

import numpy as np
import pytest

from model.data import randaugment
from model.data.randaugment import OPERATIONS


def clip(side=24):
    return np.random.default_rng(1).integers(40, 200, (2, side, side, 3)).astype(np.uint8)


def gray(pixels):
    return pixels @ np.array([0.299, 0.587, 0.114])


FORMULAS = {
    "invert": lambda x: 255 - x,
    "posterize": lambda x: x // 64 * 64,  # level 7 of 10 keeps 2 bits
    "solarize": lambda x: np.where(x >= 256 - 179, 255 - x, x),
    "solarize_add": lambda x: np.where(x < 128, x + 77, x),
    "brightness": lambda x: 1.63 * x,
    "colour": lambda x: gray(x)[..., None] + 1.63 * (x - gray(x)[..., None]),
    "contrast": lambda x: gray(x).mean() + 1.63 * (x - gray(x).mean()),
    "auto_contrast": lambda x: (x - x.min((0, 1, 2))) * 255 / (x.max((0, 1, 2)) - x.min((0, 1, 2))),
    "translate_x": lambda x: np.concatenate([x[:, :, 6:], np.broadcast_to((124, 116, 104), (2, 20, 6, 3))], 2),
    "translate_y": lambda x: np.concatenate([x[:, 6:], np.broadcast_to((124, 116, 104), (2, 6, 20, 3))], 1),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_operation_is_its_formula(name):
    pixels = clip(20)
    level = 10 * 6 / 20 / 0.45 if name.startswith("translate") else 7.0

    done = OPERATIONS[name](pixels, level, 1)

    expected = np.clip(np.rint(FORMULAS[name](pixels.astype(np.float64))), 0, 255)
    # Gray in OpenCV is a whole number, which doubles and more where colours are blown up.
    assert np.abs(done - expected).max() <= (2 if name in ("colour", "contrast") else 1)


def test_factors_go_both_ways():
    assert (
        OPERATIONS["brightness"](clip(), 7.0, -1).mean()
        < clip().mean()
        < OPERATIONS["brightness"](clip(), 7.0, 1).mean()
    )


def test_equalize_spreads_the_shades_evenly():
    done = OPERATIONS["equalize"](clip(64), 7.0, 1)

    for colour in range(3):
        counts, _ = np.histogram(done[..., colour], 8, (0, 256))
        assert counts.min() > 0.8 * counts.max()


def test_sharpness_blurs_and_sharpens_with_pillows_kernel():
    dot = np.full((1, 9, 9, 3), 100, np.uint8)
    dot[0, 4, 4] = 113

    smooth = OPERATIONS["sharpness"](dot, 10 / 0.9, -1)  # factor 0: the blurred picture itself
    sharp = OPERATIONS["sharpness"](dot, 10 / 0.9, 1)

    assert smooth[0, 4, 4, 0] == 105
    assert smooth[0, 4, 5, 0] == 101
    assert sharp[0, 4, 4, 0] == 121
    assert sharp[0, 4, 5, 0] == 99


def test_rotation_turns_about_the_middle():
    pixels = np.zeros((1, 41, 41, 3), np.uint8)
    pixels[0, 18:23, 33:38] = 255  # to the right of the middle

    turned = OPERATIONS["rotate"](pixels, 10.0, 1)[0, ..., 0].astype(float)
    turned[turned < 200] = 0

    y, x = np.nonzero(turned)
    angle = np.degrees(np.arctan2(20 - y.mean(), x.mean() - 20))
    assert abs(angle) == pytest.approx(30, abs=1)
    assert np.hypot(x.mean() - 20, y.mean() - 20) == pytest.approx(15, abs=0.5)


@pytest.mark.parametrize(("name", "axis"), [("shear_x", 1), ("shear_y", 0)])
def test_a_shear_moves_each_line_by_its_distance_from_the_middle(name, axis):
    pixels = np.zeros((1, 41, 41, 3), np.uint8)
    pixels[0, 20, :] = pixels[0, :, 20] = 255

    moved = OPERATIONS[name](pixels, 10.0, 1)[0, ..., 0]
    line = moved if axis == 1 else moved.T

    assert abs(int(line[0].argmax()) - 20) == pytest.approx(6, abs=1)  # 0.3 of 20 lines
    assert line[20].min() == 255


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_clip_of_one_shade_is_no_trouble(name):
    for shade in (0, 90, 255):
        plain = np.full((2, 16, 16, 3), shade, np.uint8)

        assert OPERATIONS[name](plain, 7.0, 1).shape == plain.shape
        if name in ("auto_contrast", "equalize"):
            assert (OPERATIONS[name](plain, 7.0, 1) == shade).all()


def test_layers_levels_and_chances(monkeypatch):
    seen = []
    spy = {
        name: lambda pixels, level, sign, name=name: seen.append((name, level, sign)) or pixels for name in OPERATIONS
    }
    monkeypatch.setattr(randaugment, "OPERATIONS", spy)
    random = np.random.default_rng(0)

    for _ in range(400):
        randaugment.randaugment(clip(4), random, magnitude=7, layers=4, std=0.5)

    names, levels, signs = zip(*seen, strict=True)
    assert len(seen) == pytest.approx(400 * 4 / 2, rel=0.1)  # half of what is drawn is done
    assert set(names) == set(OPERATIONS)
    assert np.mean(levels) == pytest.approx(7, abs=0.1)
    assert np.std(levels) == pytest.approx(0.5, abs=0.05)
    assert np.mean(signs) == pytest.approx(0, abs=0.15)
