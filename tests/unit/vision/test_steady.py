import numpy as np
import pytest

from service.vision.boxes import Box
from service.vision.flow import Motion
from service.vision.steady import SteadyBox


def centre(box):
    return box.x + box.w / 2, box.y + box.h / 2


def test_a_box_moves_and_grows_with_the_flow_at_once():
    steady = SteadyBox(Box(0, 0, 100, 100))

    steady.move(Motion(7, -3, 1.1))

    assert centre(steady.box) == pytest.approx((57, 47))
    assert steady.box.w == pytest.approx(110)


def test_a_detection_corrects_softly():
    steady = SteadyBox(Box(0, 0, 100, 100))

    steady.correct(Box(10, 0, 100, 100))
    steps = []
    for _ in range(20):
        steady.settle(0.08)
        steps.append(steady.box.x)

    assert max(np.diff([0.0, *steps])) < 2
    assert steps[-1] == pytest.approx(5, abs=0.1)


def test_trembling_detections_are_averaged():
    random = np.random.default_rng(1)
    steady = SteadyBox(Box(0, 0, 100, 100))
    shown = []
    for _ in range(200):
        x, side = random.normal(0, 4), random.normal(100, 4)
        steady.correct(Box(x - side / 2 + 50, 0, side, side))
        for _ in range(3):
            steady.settle(0.08)
        shown.append(centre(steady.box)[0])

    assert np.std(shown) < 1.2


def test_a_box_that_went_astray_comes_back_within_a_second():
    steady = SteadyBox(Box(0, 0, 100, 100))
    for _ in range(20):
        steady.correct(Box(0, 0, 100, 100))

    for _ in range(4):
        steady.correct(Box(60, 0, 100, 100))
        for _ in range(3):
            steady.settle(0.08)

    assert steady.box.x > 35


def test_one_step_never_grows_a_box_beyond_reason():
    steady = SteadyBox(Box(0, 0, 100, 100))

    steady.move(Motion(0, 0, 50.0))

    assert steady.box.w == pytest.approx(125)
