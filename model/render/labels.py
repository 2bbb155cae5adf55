"""Compute the labels of rendered clips: expression, valence and arousal, apparent traits, action units, landmarks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model.render.behaviour import FEELINGS, UNITS, Behaviour
from model.render.head import MIRRORED, Floats

# Mean pleasure and arousal of each word, −1 to 1: Russell, Mehrabian, "Evidence for a three-factor theory of emotions",
# J. Research in Personality 1977. Strengths scale them, so that a neutral face has 0 for both.
_CIRCUMPLEX = {
    "happiness": (0.81, 0.51),
    "sadness": (-0.63, -0.27),
    "anger": (-0.51, 0.59),
    "surprise": (0.40, 0.67),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
}
# The action units, then the head's turn, up, down and tilt, and the gaze relative to the head. Left and right share a
# name, so that a mirrored clip has the same labels.
UNIT_NAMES = (*UNITS, "AU51/52", "AU53", "AU54", "AU55/56", "AU61/62", "AU63", "AU64")
LANDMARK_NAMES = tuple(
    f"{axis}{one}" for one, other in enumerate(MIRRORED) if one <= other for axis in ("xy" if one < other else "y")
)
_FULL_TURN = np.deg2rad(42)
_PLAIN, _FAINT = 0.5, 0.1  # expressions from the first strength on are labelled; below the second, neutral


def expression(feelings: Floats) -> str | None:
    """Return the expression label of some moments: the strongest, neutral, or None where it is ambiguous.

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


# Effects of behaviour on apparent traits, in the order of `TRAITS`. The signs are from the sources; the sizes are
# chosen here.
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
    # sadness and fear are seen as low dominance.
    "low": (0.0, 0.0, -0.25, 0.0, 0.0),
}


def traits(behaviour: Behaviour, step_s: float) -> tuple[float, ...]:
    """Estimate how viewers would rate a person's traits after this clip.

    Args:
        behaviour: the behaviour at two or more moments.
        step_s: seconds between two moments.

    Returns:
        A score for each of `TRAITS`, 0–1; 0.5 for a still and silent face that looks at the camera.
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

    Strengths are of the visible motion: speech moves the mouth's units, too.
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

    The mean landmarks are centred and divided by their root mean square distance from the centre, so that they do not
    depend on the crop; then averaged with their mirror image, so that they are equal for a mirrored clip.

    Args:
        seen: landmarks in the picture, (T, 68, 2), right and down.
        moments: the moments among the T to average.
    """
    shape = seen[moments].mean(axis=0)
    shape = shape - shape.mean(axis=0)
    shape = shape / np.sqrt((shape**2).sum(axis=1).mean())
    shape = (shape + shape[list(MIRRORED)] * (-1, 1)) / 2
    return tuple(float(shape[int(name[1:]), "xy".index(name[0])]) for name in LANDMARK_NAMES)


def _both(weights: Mapping[str, Floats], name: str) -> Floats:
    """Return a shape's weight (T,), the mean of both sides if it has two."""
    if name in weights:
        return weights[name]
    return (weights[f"{name}_L"] + weights[f"{name}_R"]) / 2
