"""What is said of a rendered clip: expression, valence and arousal, apparent traits, strengths of units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model.render.behaviour import FEELINGS, UNITS, Behaviour
from model.render.head import MIRRORED, Floats

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
# Then how the head is turned aside, up, down and tilted, and where the eyes look in it, either side under one name, so
# that a mirrored clip has the same labels.
UNIT_NAMES = (*UNITS, "AU51/52", "AU53", "AU54", "AU55/56", "AU61/62", "AU63", "AU64")
LANDMARK_NAMES = tuple(
    f"{axis}{one}" for one, other in enumerate(MIRRORED) if one <= other for axis in ("xy" if one < other else "y")
)
_FULL_TURN = np.deg2rad(42)
_PLAIN, _FAINT = 0.5, 0.1  # an expression shows from the first on; between the two nobody could say


def expression(feelings: Floats) -> str | None:
    """Name the expression of some moments: the strongest, neutral, or None where nobody could say.

    Args:
        feelings: (T, 6), 0–1, in the order of `FEELINGS`.
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
        feelings: (T, 6), 0–1, in the order of `FEELINGS`.
    """
    places = np.array([_CIRCUMPLEX[name] for name in FEELINGS])
    valence, arousal = (feelings @ places).mean(axis=0).clip(-1, 1)
    return float(valence), float(arousal)


# How behaviour changes what viewers think of somebody, in the order of `TRAITS`. The sources give the signs; sizes are
# our choice, for a model has nothing to learn from a sign alone.
_CUES = {
    # Sutherland et al., "Personality judgments from everyday images of faces", Frontiers in Psychology 2015: smiles
    # raise openness, extraversion, agreeableness and stability; Stahelski et al., "The affective meaning of smiling and
    # scowling", Frontiers in Psychology 2021: all five.
    "smiling": (0.25, 0.12, 0.3, 0.4, -0.3),
    # Stahelski et al. 2021: scowls lower all five, with stability for neuroticism.
    "scowling": (-0.2, -0.25, -0.1, -0.45, 0.35),
    # Koppensteiner, "Motion cues that make an impression", J. Experimental Social Psychology 2013: overall activity
    # goes with extraversion; Koppensteiner, Grammer, "Motion patterns in political speech", J. Research in Personality
    # 2010: many head movements with less conscientiousness.
    "moving": (0.0, -0.3, 0.3, 0.0, 0.0),
    # Schmid Mast, "Dominance as expressed and inferred through speaking time", Human Communication Research 2002.
    "talking": (0.0, 0.0, 0.2, 0.0, 0.0),
    # Larsen, Shackelford, "Gaze avoidance", Personality and Individual Differences 1996: less conscientious, less
    # agreeable.
    "looking away": (0.0, -0.2, 0.0, -0.2, 0.0),
    # Knutson, "Facial expressions of emotion influence interpersonal trait inferences", J. Nonverbal Behavior 1996:
    # sadness and fear are taken for low dominance.
    "low": (0.0, 0.0, -0.25, 0.0, 0.0),
}


def traits(behaviour: Behaviour, step_s: float) -> tuple[float, ...]:
    """Return how a viewer might rate somebody after this clip.

    Args:
        behaviour: what is done, at two moments or more.
        step_s: seconds between two moments.

    Returns:
        One for each of `TRAITS`, 0–1; 0.5 for a still and silent face that looks at the camera.
    """
    felt = dict(zip(FEELINGS, behaviour.feelings.mean(axis=0), strict=True))
    turning = np.rad2deg(np.linalg.norm(np.diff(behaviour.turns, axis=0), axis=1)).mean() / step_s
    away = np.rad2deg(np.linalg.norm(behaviour.gaze, axis=1)).mean()
    strengths = {
        "smiling": behaviour.units[:, UNIT_NAMES.index("AU12")].mean(),
        "scowling": felt["anger"],
        "moving": min(1.0, turning / 40),  # degrees a second
        "talking": behaviour.talking.mean(),
        "looking away": min(1.0, away / 20),  # degrees
        "low": felt["sadness"] + felt["fear"],
    }
    found = 0.5 + sum(strengths[cue] * np.array(weights) for cue, weights in _CUES.items())
    return tuple(float(value) for value in found.clip(0, 1))


def units(behaviour: Behaviour, moments: slice) -> tuple[float, ...]:
    """Return the mean strength of each of `UNIT_NAMES` over some moments, 0–1.

    It is what is seen: speech moves the mouth's units, too.
    """
    weights = {name: weight[moments] for name, weight in behaviour.shapes.items()}
    seen = [np.min([_both(weights, name) / share for name, share in parts.items()], axis=0) for parts in UNITS.values()]
    yaw, pitch, roll = behaviour.turns[moments].T
    seen += [np.abs(yaw) / _FULL_TURN, -pitch / _FULL_TURN, pitch / _FULL_TURN, np.abs(roll) / _FULL_TURN]
    seen += [np.maximum(_both(weights, "eyeLookOut"), _both(weights, "eyeLookIn"))]
    seen += [_both(weights, "eyeLookUp"), _both(weights, "eyeLookDown")]
    return tuple(float(values.clip(0, 1).mean()) for values in seen)


def landmarks(seen: Floats, moments: slice) -> tuple[float, ...]:
    """Return the shape of a face over some moments, in the order of `LANDMARK_NAMES`.

    The mean landmarks around their middle, in units of their root mean square distance from it, so that it is the same
    wherever the picture is cut; then the mean of it and its mirror image, so that it is the same for a mirrored clip.

    Args:
        seen: (T, 68, 2), right and down.
        moments: which of the T.
    """
    shape = seen[moments].mean(axis=0)
    shape = shape - shape.mean(axis=0)
    shape = shape / np.sqrt((shape**2).sum(axis=1).mean())
    shape = (shape + shape[list(MIRRORED)] * (-1, 1)) / 2
    return tuple(float(shape[int(name[1:]), "xy".index(name[0])]) for name in LANDMARK_NAMES)


def _both(weights: Mapping[str, Floats], name: str) -> Floats:
    """Return a shape's weight, the mean of both sides where it has two, (T,)."""
    if name in weights:
        return weights[name]
    return (weights[f"{name}_L"] + weights[f"{name}_R"]) / 2
