import numpy as np
import pytest

from model.render.behaviour import FEELINGS, SHAPES, UNITS, _envelope, _express, _eyes, draw_behaviour

TIMES = np.arange(24, dtype=np.float32) / 12.5
NUMBERS = {name: number for number, name in enumerate(UNITS)}


@pytest.fixture(scope="module")
def drawn():
    return [draw_behaviour(TIMES, np.random.default_rng(seed)) for seed in range(400)]


def test_the_same_seed_draws_the_same_behaviour(drawn):
    again = draw_behaviour(TIMES, np.random.default_rng(7))

    for name in ("feelings", "units", "turns", "gaze", "talking"):
        assert np.array_equal(getattr(again, name), getattr(drawn[7], name))
    assert all(np.array_equal(weight, drawn[7].shapes[name]) for name, weight in again.shapes.items())
    assert not np.array_equal(again.turns, drawn[8].turns)


def test_all_is_in_its_range(drawn):
    for each in drawn:
        assert each.feelings.shape == (24, 6)
        assert each.units.shape == (24, len(UNITS))
        assert set(each.shapes) == SHAPES
        assert set(np.unique(each.talking)) <= {0, 1}
        for values in (each.feelings, each.units, *each.shapes.values()):
            assert values.dtype == np.float32
            assert 0 <= values.min() <= values.max() <= 1
        assert (np.abs(each.turns) <= np.deg2rad((42, 24, 22)) + 1e-6).all()


def test_every_feeling_occurs_and_so_do_none_talk_and_blinks(drawn):
    peaks = np.stack([each.feelings.max(axis=0) for each in drawn])

    assert ((peaks > 0.4).sum(axis=0) > 20).all()
    assert (peaks.max(axis=1) == 0).sum() > 40
    assert ((peaks > 0.05).sum(axis=1) == 2).any()  # one masks the other
    assert 0.3 < np.mean([each.talking.any() for each in drawn]) < 0.7
    closed = [each.units[:, NUMBERS["AU45"]] for each in drawn]
    assert 0.2 < np.mean([each.max() > 0.8 and each.min() < 0.5 for each in closed]) < 0.6
    looking = np.array([np.linalg.norm(each.gaze, axis=1).max() < 0.1 for each in drawn])
    assert 0.2 < looking.mean() < 0.8


def test_an_envelope_rises_stays_and_falls_smoothly():
    since = np.linspace(-1, 4, 501)

    found = _envelope(since, 0.5, 1.0, 2.0)

    def smoothstep(x):
        return 3 * x**2 - 2 * x**3

    assert found[since <= 0] == pytest.approx(0)
    assert found[(since >= 0.5) & (since <= 1.5)] == pytest.approx(1)
    assert found[since >= 3.5] == pytest.approx(0)
    assert found[np.isclose(since, 0.2)] == pytest.approx(smoothstep(0.4))
    assert found[np.isclose(since, 2.5)] == pytest.approx(smoothstep(0.5))


def test_a_feeling_rises_and_then_falls():
    zeros = {side: dict.fromkeys(UNITS, np.zeros(24, np.float32)) for side in "LR"}
    shown = [_express("fear", 0.8, TIMES, zeros, np.random.default_rng(seed)) for seed in range(100)]
    steps = np.sign(np.diff(shown, axis=1))

    assert np.max(shown) == pytest.approx(0.8)
    for curve in steps:
        falling = np.flatnonzero(curve < 0)
        assert not len(falling) or not (curve[falling[0] :] > 0).any()
    assert {-1, 0, 1} == set(np.unique(steps))


@pytest.mark.parametrize(
    ("feeling", "units"),
    [  # Du, Tao, Martinez 2014, table 1
        ("happiness", ("AU12", "AU25")),
        ("sadness", ("AU4", "AU15")),
        ("anger", ("AU4", "AU7")),
        ("surprise", ("AU1", "AU2", "AU25")),
        ("disgust", ("AU9", "AU10")),
        ("fear", ("AU1", "AU4", "AU20", "AU25")),
    ],
)
def test_a_feeling_shows_in_its_units(drawn, feeling, units):
    number = FEELINGS.index(feeling)
    felt = [each.units.max(axis=0) for each in drawn if each.feelings[:, number].max() > 0.5]
    unfelt = [each.units.max(axis=0) for each in drawn if not each.feelings.any()]

    for unit in units:
        with_it, without = (np.mean([peaks[NUMBERS[unit]] for peaks in group]) for group in (felt, unfelt))
        assert with_it > without + 0.15


def test_every_smile_has_au12(drawn):
    for each in drawn:
        strength = each.feelings[:, 0].max()
        if strength > 0.4:
            assert each.units[:, NUMBERS["AU12"]].max() > 0.3 * strength


def test_units_move_the_shapes_of_both_sides():
    each = next(
        b for s in range(500) if (b := draw_behaviour(TIMES, np.random.default_rng(s))).feelings[:, 0].max() > 0.8
    )
    left, right = each.shapes["mouthSmile_L"], each.shapes["mouthSmile_R"]

    assert (left + right) / 2 == pytest.approx(each.units[:, NUMBERS["AU12"]], abs=0.2)
    assert not np.array_equal(left, right)  # faces are not the same on both sides


def test_talk_opens_the_mouth_again_and_again(drawn):
    long = [each for each in drawn if each.talking.all() and not each.feelings.any()]

    for each in long:
        jaw = each.shapes["jawOpen"]
        assert (np.diff(np.sign(np.diff(jaw))) < 0).sum() >= 3
    assert len(long) > 3


def test_some_narrow_sounds_show_teeth_behind_a_jaw_that_is_nearly_closed(drawn):
    calm = [each for each in drawn if each.talking.any() and not each.feelings.any()]

    parted = [(each.shapes["mouthUpperUp_L"] > 0.25) & (each.shapes["jawOpen"] < 0.1) for each in calm]
    assert any(moments.any() for moments in parted)


def test_eyes_turn_against_the_head_to_look_at_the_camera():
    turns = np.array([(0.2, 0.1, 0), (-0.2, -0.1, 0)])  # to the person's left and down, and the other way

    shapes = _eyes(turns, np.zeros((2, 2)))

    share = 0.2 / np.deg2rad(32)
    for name in ("eyeLookIn_L", "eyeLookOut_R"):
        assert shapes[name] == pytest.approx([share, 0])
    for name in ("eyeLookOut_L", "eyeLookIn_R"):
        assert shapes[name] == pytest.approx([0, share])
    for side in "LR":
        assert shapes[f"eyeLookUp_{side}"] == pytest.approx([share / 2, 0])
        assert shapes[f"eyeLookDown_{side}"] == pytest.approx([0, share / 2])


def test_eyes_that_look_past_the_camera_by_the_heads_turn_stay_straight():
    turns = np.array([(0.2, 0.1, 0.3)])

    assert all(weight == 0 for weight in _eyes(turns, turns[:, :2]).values())
