"""What is said of a rendered clip: expression, valence and arousal, apparent traits, strengths of units."""

from __future__ import annotations

import numpy as np

from model.render.behaviour import FEELINGS, UNITS, Behaviour
from model.render.head import Floats

# Mean pleasure and arousal of each word, −1 to 1: Russell, Mehrabian, "Evidence for a three-factor theory of emotions",
# J. Research in Personality 1977; strengths scale them, which makes 0 of both what is neutral.
_CIRCUMPLEX = {
    "happiness": (0.81, 0.51),
    "sadness": (-0.63, -0.27),
    "anger": (-0.51, 0.59),
    "surprise": (0.40, 0.67),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
}
UNIT_NAMES = tuple(UNITS)
_PLAIN, _FAINT = 0.4, 0.1  # an expression shows from the first on; between the two nobody could say


def expression(feelings: Floats) -> str | None:
    """Name the expression of some moments: the strongest, neutral, or None where it is too faint to tell.

    Args:
        feelings: (T, 6), 0–1.
    """
    mean = feelings.mean(axis=0)
    strongest = int(mean.argmax())
    if mean[strongest] <= _FAINT:
        return "neutral"
    second = float(np.partition(mean, -2)[-2])
    if mean[strongest] < _PLAIN or mean[strongest] - second < _FAINT:
        return None
    return FEELINGS[strongest]


def dimensions(feelings: Floats) -> tuple[float, float]:
    """Return valence and arousal of some moments, each −1 to 1.

    Args:
        feelings: (T, 6), 0–1.
    """
    places = np.array([_CIRCUMPLEX[name] for name in FEELINGS])
    valence, arousal = (feelings @ places).mean(axis=0).clip(-1, 1)
    return float(valence), float(arousal)


_SMILING, _SCOWLING, _MOVING, _TALKING, _GAZE_AWAY, _LOW = range(6)
_RESTING_MEAN = (0.5, 0.5, 0.5, 0.5, 0.5)  # of openness, conscientiousness, extraversion, agreeableness, neuroticism
# How behaviour changes what viewers think of somebody. The sources give the signs; sizes are our choice, for a model
# has nothing to learn from a sign alone.
_CUES: tuple[tuple[int, tuple[float, float, float, float, float], str], ...] = (
    # Sutherland et al., "Personality judgments from everyday images of faces", Frontiers in Psychology 2015: smiles
    # raise openness, extraversion, agreeableness and stability; Stahelski et al., "The affective meaning of smiling and
    # scowling", Frontiers in Psychology 2021: all five.
    (_SMILING, (0.25, 0.12, 0.3, 0.4, -0.3), "mean strength of AU12"),
    # Stahelski et al. 2021: scowls lower all five, with stability for neuroticism.
    (_SCOWLING, (-0.2, -0.25, -0.1, -0.45, 0.35), "mean strength of anger"),
    # Koppensteiner, "Motion cues that make an impression", J. Experimental Social Psychology 2013: overall activity
    # goes with extraversion; Koppensteiner, Grammer, "Motion patterns in political speech", J. Research in Personality
    # 2010: many head movements with less conscientiousness.
    (_MOVING, (0.0, -0.3, 0.3, 0.0, 0.0), "how fast the head turns, 1 for 40 degrees a second"),
    # Schmid Mast, "Dominance as expressed and inferred through speaking time", Human Communication Research 2002.
    (_TALKING, (0.0, 0.0, 0.2, 0.0, 0.0), "share of time"),
    # Larsen, Shackelford, "Gaze avoidance", Personality and Individual Differences 1996: less conscientious, less
    # agreeable.
    (_GAZE_AWAY, (0.0, -0.2, 0.0, -0.2, 0.0), "how far the eyes look past the camera, 1 for 20 degrees"),
    # Knutson, "Facial expressions of emotion influence interpersonal trait inferences", J. Nonverbal Behavior 1996:
    # sadness and fear are taken for low dominance.
    (_LOW, (0.0, 0.0, -0.25, 0.0, 0.0), "mean strength of sadness and fear"),
)


def traits(behaviour: Behaviour, step_s: float) -> tuple[float, ...]:
    """Return how a viewer might rate somebody after this clip: openness, conscientiousness, extraversion,
    agreeableness, neuroticism, each 0–1, with 0.5 for a still and silent face that looks at the camera.

    Args:
        behaviour: what is done.
        step_s: seconds between two moments.
    """  # noqa: D205
    felt = dict(zip(FEELINGS, behaviour.feelings.mean(axis=0), strict=True))
    turning = np.rad2deg(np.linalg.norm(np.diff(behaviour.turns, axis=0), axis=1)).mean() / step_s
    cues = {
        _SMILING: behaviour.units[:, UNIT_NAMES.index("AU12")].mean(),
        _SCOWLING: felt["anger"],
        _MOVING: min(1.0, turning / 40),
        _TALKING: behaviour.talking.mean(),
        _GAZE_AWAY: min(1.0, np.rad2deg(np.linalg.norm(behaviour.gaze, axis=1)).mean() / 20),
        _LOW: felt["sadness"] + felt["fear"],
    }
    found = np.array(_RESTING_MEAN) + sum(cues[cue] * np.array(weights) for cue, weights, _ in _CUES)
    return tuple(float(value) for value in found.clip(0, 1))


def units(behaviour: Behaviour, moments: slice) -> tuple[float, ...]:
    """Return the mean strength of each of `UNITS` over some moments, 0–1."""
    return tuple(float(value) for value in behaviour.units[moments].mean(axis=0))
