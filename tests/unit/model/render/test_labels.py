from dataclasses import replace

import numpy as np
import pytest

from model.data.vocabulary import TRAITS
from model.render.behaviour import FEELINGS, SHAPES, Behaviour
from model.render.head import MIRRORED
from model.render.labels import (
    LANDMARK_NAMES,
    UNIT_NAMES,
    dimensions,
    expression,
    landmarks,
    traits,
    units,
)

STEP_S = 0.08


def felt(**strengths):
    """Feelings of 8 moments, (8, 6)."""
    return np.tile([strengths.get(name, 0.0) for name in FEELINGS], (8, 1)).astype(np.float32)


@pytest.fixture
def still():
    """Nobody moves, speaks or feels anything."""
    shapes = dict.fromkeys(SHAPES, np.zeros(8))
    return Behaviour(felt(), np.zeros((8, 21)), shapes, np.zeros((8, 3)), np.zeros((8, 2)), np.zeros(8))


@pytest.mark.parametrize(
    ("strengths", "named"),
    [
        ({}, "neutral"),
        ({"fear": 0.09}, "neutral"),
        ({"fear": 0.11}, None),
        ({"fear": 0.49}, None),
        ({"fear": 0.51}, "fear"),
        ({"happiness": 0.9, "anger": 0.2}, "happiness"),
        ({"happiness": 0.6, "anger": 0.6}, None),
        ({"happiness": 0.6, "anger": 0.55}, None),
        ({"happiness": 0.6, "anger": 0.45}, "happiness"),
    ],
)
def test_an_expression_is_named_where_it_is_plain(strengths, named):
    assert expression(felt(**strengths)) == named


def test_an_expression_is_of_the_mean_moment():
    half = felt(surprise=1)
    half[4:] = 0
    brief = felt(surprise=0.8)
    brief[1:] = 0

    assert expression(half) == "surprise"
    assert expression(brief) == "neutral"


def test_dimensions_are_the_feelings_places_scaled_by_their_strengths():
    feelings = np.random.default_rng(0).uniform(0, 0.4, (8, 6))
    happiness, sadness, anger, surprise, disgust, fear = feelings.mean(axis=0)

    valence, arousal = dimensions(feelings)

    assert valence == pytest.approx(
        0.81 * happiness - 0.63 * sadness - 0.51 * anger + 0.40 * surprise - 0.60 * disgust - 0.64 * fear
    )
    assert arousal == pytest.approx(
        0.51 * happiness - 0.27 * sadness + 0.59 * anger + 0.67 * surprise + 0.35 * disgust + 0.60 * fear
    )
    assert dimensions(felt()) == (0, 0)
    assert dimensions(felt(sadness=1, anger=1, disgust=1, fear=1)) == (-1, 1)


def test_a_still_and_silent_face_is_in_the_middle(still):
    assert traits(still, STEP_S) == (0.5,) * 5


CUES = {  # openness, conscientiousness, extraversion, agreeableness, neuroticism
    "smile": "++++-",
    "scowl": "----+",
    "turn": " -+  ",
    "talk": "  +  ",
    "look away": " - - ",
    "grieve": "  -  ",
    "fear": "  -  ",
}


@pytest.mark.parametrize(("cue", "signs"), CUES.items())
def test_each_cue_moves_the_traits_that_studies_name(still, cue, signs):
    smiling = np.zeros((8, 21))
    smiling[:, UNIT_NAMES.index("AU12")] = 0.5
    turning = np.zeros((8, 3))
    turning[:, 0] = np.arange(8) * STEP_S * np.deg2rad(20)
    changes = {
        "smile": {"units": smiling},
        "scowl": {"feelings": felt(anger=0.5)},
        "turn": {"turns": turning},
        "talk": {"talking": np.full(8, 0.5)},
        "look away": {"gaze": np.tile([0, np.deg2rad(10)], (8, 1))},
        "grieve": {"feelings": felt(sadness=0.5)},
        "fear": {"feelings": felt(fear=0.5)},
    }

    moved = np.array(traits(replace(still, **changes[cue]), STEP_S)) - 0.5

    assert np.sign(moved).tolist() == [" -+".index(sign) and (-1) ** (sign == "-") for sign in signs]
    assert np.abs(moved).max() < 0.25


def test_traits_stay_between_0_and_1_and_cues_add_up(still):
    wild = np.random.default_rng(0).normal(0, 1, (8, 3))
    everything = replace(still, feelings=felt(anger=1, sadness=1, fear=1), turns=wild, gaze=wild[:, :2])

    found = traits(everything, STEP_S)

    assert len(found) == len(TRAITS) == 5
    assert all(0 <= value <= 1 for value in found)
    assert found[2] == pytest.approx(0.5 - 0.1 + 0.3 - 2 * 0.25)
    assert found[4] == pytest.approx(0.5 + 0.35)


def test_units_are_the_mean_strengths_of_what_is_seen(still):
    rng = np.random.default_rng(0)
    shapes = {name: rng.uniform(0, 1, 8) for name in sorted(SHAPES)}

    found = dict(zip(UNIT_NAMES, units(replace(still, shapes=shapes), slice(2, 6)), strict=True))

    smile = (shapes["mouthSmile_L"] + shapes["mouthSmile_R"]) / 2
    assert found["AU12"] == pytest.approx(smile[2:6].mean())
    jaw = np.minimum(1, shapes["jawOpen"] / 0.55)
    assert found["AU26"] == pytest.approx(jaw[2:6].mean())


def test_a_unit_of_several_shapes_is_as_strong_as_the_weakest_allows(still):
    shapes = still.shapes | {"mouthPress_L": np.ones(8), "mouthPress_R": np.ones(8)}
    pressed = shapes | {"mouthRollLower": np.full(8, 0.2), "mouthRollUpper": np.full(8, 0.4)}

    alone, together = (units(replace(still, shapes=each), slice(0, 8)) for each in (shapes, pressed))

    assert alone[UNIT_NAMES.index("AU24")] == 0
    assert together[UNIT_NAMES.index("AU24")] == pytest.approx(0.5)


def test_either_side_gives_the_same_units(still):
    left = replace(still, turns=np.tile(np.deg2rad([21, 10, -5]), (8, 1)))
    right = replace(still, turns=np.tile(np.deg2rad([-21, 10, 5]), (8, 1)))

    found = dict(zip(UNIT_NAMES, units(left, slice(0, 8)), strict=True))

    assert units(right, slice(0, 8)) == pytest.approx(tuple(found.values()))
    assert found["AU51/52"] == pytest.approx(0.5)
    assert (found["AU53"], found["AU54"]) == pytest.approx((0, 10 / 42))


@pytest.fixture
def seen(head):
    """Where the landmarks of somebody's face, a little crooked, are in 8 pictures, (8, 68, 2)."""
    crooked = np.random.default_rng(0).normal(0, 0.01, (68, 2))
    face = head.at(*range(68))[:, :2] * (0.03, -0.03) + 0.5 + crooked
    return np.stack([face + 0.01 * moment for moment in range(8)])


def test_landmarks_are_the_same_wherever_and_however_large_the_face_is(seen):
    found = landmarks(seen, slice(0, 8))

    assert len(found) == len(LANDMARK_NAMES) == 68
    assert landmarks(3 * seen - 0.7, slice(0, 8)) == pytest.approx(found)
    assert landmarks(seen, slice(2, 4)) == pytest.approx(found)


def test_a_mirrored_clip_has_the_same_landmarks(seen):
    mirrored = seen[:, list(MIRRORED)] * (-1, 1) + (1, 0)

    assert landmarks(mirrored, slice(0, 8)) == pytest.approx(landmarks(seen, slice(0, 8)))


def test_landmarks_tell_where_each_one_is(seen):
    wide = seen.copy()
    wide[4:, 48] += (-0.1, -0.1)  # the corner on the left of the picture goes out and up for half of the time

    before, after = (dict(zip(LANDMARK_NAMES, landmarks(each, slice(0, 8)), strict=True)) for each in (seen, wide))

    moved = {name: after[name] - before[name] for name in LANDMARK_NAMES}
    assert moved["x48"] < -0.05
    assert moved["y48"] < -0.05
    assert max(abs(moved[name]) for name in LANDMARK_NAMES if name not in ("x48", "y48")) < 0.03
