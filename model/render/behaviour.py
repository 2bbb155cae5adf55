"""Simulate facial behaviour over time: expressions, speech, blinks, gaze and head motion.

Expressions are made of FACS action units (Ekman, Friesen, Hager, "Facial Action Coding System", 2002). Which units an
expression has, and how often those that are not always there, follows Du, Tao, Martinez, "Compound facial expressions
of emotion", PNAS 2014, table 1; variants that are common beside those (a smile with closed lips, laughter, a shout) are
ours. How many smiles the upper lip leads, a third of those that show teeth, and that it follows in others, is after
Philips, "The classification of smile patterns", J. Canadian Dental Association 1999. Times are seconds, angles radians.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from model.data.vocabulary import EXPRESSIONS
from model.render.head import Floats

FEELINGS = tuple(name for name in EXPRESSIONS if name != "neutral")
"""The expressions that action units make."""

# Unit → the closest shapes; shapes with two sides get the suffixes _L and _R.
UNITS: dict[str, dict[str, float]] = {
    "AU1": {"browInnerUp": 1.0},
    "AU2": {"browOuterUp": 1.0},
    "AU4": {"browDown": 1.0},
    "AU5": {"eyeWide": 1.0},
    "AU6": {"cheekSquint": 0.7, "cheekRaiser": 0.8},
    "AU7": {"eyeSquint": 1.0},
    "AU9": {"noseSneer": 1.0},
    "AU10": {"mouthUpperUp": 0.8, "mouthShrugUpper": 0.3},
    "AU11": {"mouthUpperUp": 0.35, "noseSneer": 0.15},
    "AU12": {"mouthSmile": 1.0},
    "AU14": {"mouthDimple": 1.0},
    "AU15": {"mouthFrown": 1.0},
    "AU16": {"mouthLowerDown": 0.9},
    "AU17": {"mouthShrugLower": 0.9},
    "AU18": {"mouthPucker": 1.0},
    "AU20": {"mouthStretch": 1.0},
    "AU22": {"mouthFunnel": 1.0},
    "AU24": {"mouthPress": 0.8, "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
    "AU25": {"mouthLowerDown": 0.4, "mouthUpperUp": 0.15, "jawOpen": 0.1},
    "AU26": {"jawOpen": 0.55},
    "AU45": {"eyeBlink": 1.0},
}
# The shapes without sides.
_UNPAIRED = frozenset(
    ("jawOpen", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper")
)
SHAPES = frozenset(
    name
    for shape in {shape for parts in UNITS.values() for shape in parts}
    | {f"eyeLook{way}" for way in ("In", "Out", "Up", "Down")}
    for name in ((shape,) if shape in _UNPAIRED else (f"{shape}_L", f"{shape}_R"))
)
"""The expression shapes that a head needs."""

Parts = dict[str, tuple[float, float, float]]
"""Unit → its probability, and its minimum and maximum strength at the apex."""

_VARIANTS: dict[str, tuple[tuple[float, Parts], ...]] = {
    "happiness": (
        # Corners of the mouth first, with or without the upper lip; lips closed; upper lip first; laughter.
        (
            0.35,
            {
                "AU12": (1, 0.5, 1),
                "AU6": (0.7, 0.3, 1),
                "AU25": (0.9, 0.3, 0.9),
                "AU10": (0.4, 0.1, 0.5),
                "AU7": (0.2, 0.1, 0.5),
            },
        ),
        (0.3, {"AU12": (1, 0.5, 1), "AU6": (0.6, 0.3, 1), "AU14": (0.15, 0.2, 0.5), "AU2": (0.1, 0.1, 0.4)}),
        (
            0.16,
            {
                "AU12": (1, 0.5, 1),
                "AU10": (1, 0.4, 0.9),
                "AU25": (1, 0.4, 0.9),
                "AU6": (0.7, 0.3, 1),
                "AU9": (0.25, 0.1, 0.5),
                "AU7": (0.3, 0.1, 0.6),
            },
        ),
        (
            0.19,
            {
                "AU12": (1, 0.6, 1),
                "AU6": (0.9, 0.5, 1),
                "AU25": (1, 0.6, 1),
                "AU26": (1, 0.3, 0.9),
                "AU10": (0.5, 0.2, 0.8),
                "AU9": (0.25, 0.1, 0.5),
                "AU16": (0.1, 0.2, 0.6),
                "AU7": (0.4, 0.2, 0.7),
            },
        ),
    ),
    "sadness": (
        (
            0.6,
            {
                "AU1": (0.75, 0.4, 1),
                "AU4": (0.9, 0.3, 0.9),
                "AU15": (1, 0.5, 1),
                "AU17": (0.67, 0.3, 1),
                "AU6": (0.3, 0.1, 0.4),
                "AU11": (0.26, 0.2, 0.6),
                "AU45": (0.5, 0.1, 0.45),
            },
        ),
        (
            0.4,
            {
                "AU1": (1, 0.6, 1),
                "AU4": (0.6, 0.2, 0.6),
                "AU15": (0.8, 0.4, 1),
                "AU45": (0.6, 0.2, 0.5),
                "AU25": (0.15, 0.2, 0.5),
            },
        ),
    ),
    "anger": (
        (
            0.6,
            {
                "AU4": (1, 0.6, 1),
                "AU7": (0.8, 0.3, 1),
                "AU24": (0.9, 0.4, 1),
                "AU17": (0.52, 0.2, 0.8),
                "AU5": (0.4, 0.2, 0.8),
                "AU9": (0.15, 0.1, 0.4),
            },
        ),
        (
            0.4,
            {
                "AU4": (1, 0.6, 1),
                "AU5": (0.7, 0.3, 1),
                "AU7": (0.7, 0.2, 0.8),
                "AU10": (0.6, 0.2, 0.8),
                "AU16": (0.6, 0.3, 0.9),
                "AU25": (1, 0.4, 1),
                "AU26": (0.6, 0.2, 0.9),
                "AU22": (0.3, 0.2, 0.6),
            },
        ),
    ),
    "surprise": (
        (
            0.8,
            {"AU1": (1, 0.6, 1), "AU2": (1, 0.6, 1), "AU5": (0.75, 0.3, 1), "AU25": (1, 0.3, 0.8), "AU26": (1, 0.3, 1)},
        ),
        (0.2, {"AU1": (1, 0.7, 1), "AU2": (1, 0.7, 1), "AU5": (1, 0.5, 1), "AU25": (0.4, 0.1, 0.5)}),
    ),
    "disgust": (
        (
            0.65,
            {
                "AU9": (0.95, 0.5, 1),
                "AU10": (0.85, 0.3, 1),
                "AU17": (0.6, 0.2, 0.9),
                "AU4": (0.4, 0.1, 0.6),
                "AU7": (0.5, 0.2, 0.8),
                "AU15": (0.3, 0.1, 0.6),
                "AU24": (0.2, 0.2, 0.5),
            },
        ),
        (
            0.35,
            {
                "AU9": (0.8, 0.5, 1),
                "AU10": (1, 0.5, 1),
                "AU25": (1, 0.3, 0.8),
                "AU26": (0.5, 0.1, 0.5),
                "AU16": (0.5, 0.2, 0.7),
                "AU7": (0.6, 0.2, 0.8),
            },
        ),
    ),
    "fear": (
        (
            1.0,
            {
                "AU1": (1, 0.5, 1),
                "AU2": (0.6, 0.3, 0.9),
                "AU4": (0.95, 0.3, 0.9),
                "AU5": (0.85, 0.5, 1),
                "AU20": (0.9, 0.4, 1),
                "AU25": (0.9, 0.3, 0.9),
                "AU26": (0.45, 0.2, 0.7),
            },
        ),
    ),
}
# Units of neutral faces at rest: their probability and maximum strength.
_AT_REST = {
    "AU1": (0.25, 0.22),
    "AU2": (0.25, 0.25),
    "AU4": (0.45, 0.38),
    "AU5": (0.25, 0.3),
    "AU6": (0.2, 0.25),
    "AU7": (0.45, 0.5),
    "AU9": (0.15, 0.15),
    "AU10": (0.12, 0.12),
    "AU12": (0.3, 0.16),
    "AU14": (0.2, 0.3),
    "AU15": (0.45, 0.38),
    "AU17": (0.35, 0.35),
    "AU20": (0.15, 0.2),
    "AU24": (0.3, 0.45),
    "AU25": (0.2, 0.45),
    "AU26": (0.12, 0.2),
    "AU45": (0.3, 0.3),
}
_MASKS = 0.12  # probability of a second expression beside the first
_FEELS = 0.8  # probability of an expression
_TALKS = 0.62
_BLINKS_S = 3.4  # mean time between two
_FULL_GAZE = np.deg2rad(32)  # the eyes' rotation at a shape's full weight


Sides = dict[str, dict[str, Floats]]
"""Side, L or R → unit → its strength, (T,)."""


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Behaviour at T moments.

    Attributes:
        feelings: (T, 6), how strongly each of `FEELINGS` shows, 0–1.
        units: (T, 21), the strength of each of `UNITS`, both sides' mean.
        shapes: name → (T,), weights of the head's expression shapes.
        turns: (T, 3): yaw to the person's left, pitch downwards, roll; radians.
        gaze: (T, 2), how far the eyes look past the camera: to the person's left, downwards; radians.
        talking: (T,), 0 or 1.
    """

    feelings: Floats
    units: Floats
    shapes: Mapping[str, Floats]
    turns: Floats
    gaze: Floats
    talking: Floats


def draw_behaviour(times: Floats, random: np.random.Generator) -> Behaviour:
    """Draw a random behaviour.

    Args:
        times: (T,), seconds from the clip's start, ascending, at least two.
        random: the random generator.
    """
    lively = random.uniform(0.3, 1.3)
    felt = np.zeros((len(times), len(FEELINGS)), np.float32)
    sides: Sides = {side: dict.fromkeys(UNITS, np.zeros(len(times), np.float32)) for side in "LR"}
    _rest(sides, random)
    if random.random() < _FEELS:
        main = int(random.integers(len(FEELINGS)))
        felt[:, main] = _express(FEELINGS[main], random.beta(3, 1), times, sides, random)
        if random.random() < _MASKS:
            second = int(random.integers(len(FEELINGS)))
            shown = _express(FEELINGS[second], random.uniform(0.1, 0.3), times, sides, random)
            felt[:, second] = np.maximum(felt[:, second], shown)
    elif random.random() < 0.5:
        _gesture(times, sides, random)
    talking = np.zeros(len(times), np.float32)
    speech: dict[str, Floats] = {}
    if random.random() < _TALKS:
        talking, speech = _speech(times, lively, random)
    _blink(times, sides, random)
    turns, gaze = _head(times, lively, random), _gaze(times, random)
    shapes = _shapes(sides)
    for name, weight in speech.items():
        shapes[name] = shapes.get(name, 0) + weight
    shapes |= _eyes(turns, gaze)
    units = np.stack([(sides["L"][unit] + sides["R"][unit]) / 2 for unit in UNITS], axis=1)
    return Behaviour(
        feelings=felt,
        units=units.clip(0, 1).astype(np.float32),
        shapes={name: weight.clip(0, 1).astype(np.float32) for name, weight in shapes.items()},
        turns=turns,
        gaze=gaze,
        talking=talking,
    )


def _rest(sides: Sides, random: np.random.Generator) -> None:
    for unit, (often, most) in _AT_REST.items():
        if random.random() < often:
            strength, lean = random.uniform(0, most), random.normal(0, 0.15)
            sides["L"][unit] = sides["L"][unit] + strength * (1 + lean)
            sides["R"][unit] = sides["R"][unit] + strength * (1 - lean)


def _express(feeling: str, strength: float, times: Floats, sides: Sides, random: np.random.Generator) -> Floats:
    """Animate an expression with onset, apex and offset; its units start at slightly different times.

    Returns:
        (T,), the expression's strength, 0–1.
    """
    span = times[-1]
    begin = random.uniform(-0.7, 0.55) * span
    onset, stay, offset = random.uniform(0.15, 0.8), random.gamma(2.0, 0.6), random.uniform(0.2, 1.2)
    flutter = random.uniform(0, 0.12) * _smooth(times, 0.4, random)
    variants = _VARIANTS[feeling]
    parts = variants[random.choice(len(variants), p=[share for share, _ in variants])][1]
    lean = random.normal(0, 0.1) if random.random() < 0.85 else random.choice((-0.45, 0.45))
    for unit, (often, least, most) in parts.items():
        if random.random() < often:
            late = random.normal(0, 0.06)
            apex = least + (most - least) * random.beta(2, 1)
            curve = strength * apex * _envelope(times - begin - late, onset, stay, offset)
            _show(sides, unit, curve * (1 + flutter), lean)
    return strength * _envelope(times - begin, onset, stay, offset)


def _gesture(times: Floats, sides: Sides, random: np.random.Generator) -> None:
    """Add small movements to a neutral face: raised brows, pressed lips, a squint."""
    kinds: tuple[dict[str, float], ...] = (
        {"AU1": 0.5, "AU2": 0.6},
        {"AU24": 0.6},
        {"AU7": 0.7, "AU4": 0.35},
        {"AU14": 0.5},
        {"AU18": 0.6},
        {"AU2": 0.5},
        {"AU17": 0.5, "AU24": 0.3},
        {"AU45": 0.8},
        {"AU4": 0.45},
        {"AU25": 0.6, "AU26": 0.4},
    )
    chosen = kinds[random.integers(len(kinds))]
    curve = _envelope(times - random.uniform(-0.5, 0.8) * times[-1], 0.25, random.gamma(2, 0.4), 0.3)
    lean = random.normal(0, 0.2)
    for unit, most in chosen.items():
        strength = most * random.uniform(0.3, 1)
        _show(sides, unit, strength * curve, lean)


def _show(sides: Sides, unit: str, curve: Floats, lean: float) -> None:
    """Raise a unit's strength to at least the curve (T,); `lean` above 0 favours the left side."""
    sides["L"][unit] = np.maximum(sides["L"][unit], curve * (1 + lean))
    sides["R"][unit] = np.maximum(sides["R"][unit], curve * (1 - lean))


def _speech(times: Floats, lively: float, random: np.random.Generator) -> tuple[Floats, dict[str, Floats]]:
    """Animate speech: open and shape the mouth three to six times a second, with pauses.

    Narrow sounds (s, sh, ee) part the lips over closed teeth.

    Returns:
        (T,), 0 or 1 where there is talk; and the weights of shapes, name → (T,).
    """
    begin = random.uniform(-1, 0.5) * times[-1]
    until = begin + random.uniform(0.7, 4)
    talking = ((times >= begin) & (times < until)).astype(np.float32)
    beats = np.arange(begin, until, 0.02)
    rate = random.uniform(3, 6)
    phase = np.cumsum(rate * (1 + 0.4 * _smooth(beats, 0.5, random))) * 0.02
    loud = (0.25 + 0.45 * lively * random.uniform(0.5, 1)) * (1 + 0.5 * _smooth(beats, 0.35, random)).clip(0.1, 2)
    opened = loud * (0.5 - 0.5 * np.cos(2 * np.pi * phase))
    envelope = np.interp(times, beats, opened, left=0, right=0) * talking
    ends = (np.minimum(times - begin, until - times) / 0.1).clip(0, 1)
    narrow = np.interp(times, beats, (0.1 + _smooth(beats, 0.12, random)).clip(0, 1)) * ends
    bared = random.beta(1.2, 1.8) * narrow
    shapes = {"jawOpen": 0.55 * envelope * (1 - 0.6 * narrow)}
    for name, most, parted in (
        ("mouthFunnel", 0.7, 0.25),
        ("mouthPucker", 0.6, 0.0),
        ("mouthStretch", 0.35, 0.25),
        ("mouthLowerDown", 0.7, 0.8),
        ("mouthUpperUp", 0.4, 0.6),
        ("mouthRollLower", 0.4, 0.0),
        ("mouthShrugLower", 0.3, 0.0),
        ("mouthPress", 0.3, 0.0),
    ):
        vowel = np.interp(times, beats, (0.5 + 0.7 * _smooth(beats, 0.13, random)).clip(0, 1))
        weight = most * vowel * (0.25 * talking * loud.mean() + 0.75 * envelope)
        weight = np.maximum(weight, parted * (0.5 + 0.5 * vowel) * bared)
        if name in _UNPAIRED:
            shapes[name] = weight
        else:
            shapes[f"{name}_L"], shapes[f"{name}_R"] = weight, weight * random.uniform(0.85, 1.15)
    return talking, shapes


def _blink(times: Floats, sides: Sides, random: np.random.Generator) -> None:
    at = -0.3
    closed = np.zeros(len(times), np.float32)
    while (at := at + random.exponential(_BLINKS_S)) < times[-1]:
        closed = np.maximum(closed, np.exp(-(((times - at) / random.uniform(0.06, 0.12)) ** 2)))
    for side in sides.values():
        side["AU45"] = np.maximum(side["AU45"], closed)


def _head(times: Floats, lively: float, random: np.random.Generator) -> Floats:
    """Return yaw, pitch and roll, (T, 3)."""
    held = random.normal(0, 1, 3) * np.deg2rad((12, 7, 5))
    slow = np.stack([_smooth(times, 1.2, random) for _ in range(3)], axis=1) * np.deg2rad((5, 3, 2.5)) * lively
    quick = np.stack([_smooth(times, 0.3, random) for _ in range(3)], axis=1) * np.deg2rad((0.8, 0.8, 0.4)) * lively
    turns = held + slow + quick
    if random.random() < 0.15:  # a nod, or a shake of the head
        wave = np.sin(2 * np.pi * random.uniform(1, 2.5) * times + random.uniform(0, 6))
        turns[:, int(random.random() < 0.65)] += np.deg2rad(random.uniform(2, 8)) * wave
    most = np.deg2rad((42, 24, 22))
    found: Floats = turns.clip(-most, most).astype(np.float32)
    return found


def _gaze(times: Floats, random: np.random.Generator) -> Floats:
    """Draw gaze directions into the camera or past it, with saccades between them."""
    gaze = np.zeros((len(times), 2), np.float32)
    away = random.choice((0.1, 0.5, 0.95), p=(0.55, 0.25, 0.2))
    at = 0.0
    while at < times[-1]:
        until = at + random.gamma(2, 0.4)
        place = random.normal(0, 1, 2) * np.deg2rad((16, 9)) if random.random() < away else np.zeros(2)
        gaze[(times >= at) & (times < until + 0.08)] = place + random.normal(0, 0.02, 2)
        at = until
    return gaze


def _eyes(turns: Floats, gaze: Floats) -> dict[str, Floats]:
    """Compute the eyes' shapes from the gaze relative to the head: name → (T,)."""
    left = (gaze[:, 0] - turns[:, 0]) / _FULL_GAZE
    down = (gaze[:, 1] - turns[:, 1]) / _FULL_GAZE
    shapes = {}
    for side, out in (("L", left), ("R", -left)):
        shapes[f"eyeLookOut_{side}"] = out.clip(0, 0.9)
        shapes[f"eyeLookIn_{side}"] = (-out).clip(0, 0.9)
        shapes[f"eyeLookDown_{side}"] = down.clip(0, 0.8)
        shapes[f"eyeLookUp_{side}"] = (-down).clip(0, 0.8)
    return shapes


def _shapes(sides: Sides) -> dict[str, Floats]:
    """Convert units of both sides to shapes, name → (T,); a shape without sides gets the mean."""
    shapes: dict[str, Floats] = {}
    for unit, parts in UNITS.items():
        for name, share in parts.items():
            if name in _UNPAIRED:
                both = (sides["L"][unit] + sides["R"][unit]) / 2
                shapes[name] = shapes.get(name, 0) + share * both
            else:
                for side in "LR":
                    shapes[f"{name}_{side}"] = shapes.get(f"{name}_{side}", 0) + share * sides[side][unit]
    return shapes


def _envelope(since: Floats, onset: float, stay: float, offset: float) -> Floats:
    """Return an envelope that rises smoothly for `onset`, stays, and falls for `offset`."""
    up = (since / onset).clip(0, 1)
    down = ((onset + stay + offset - since) / offset).clip(0, 1)
    share = np.minimum(up, down)
    found: Floats = share * share * (3 - 2 * share)
    return found


def _smooth(times: Floats, scale: float, random: np.random.Generator) -> Floats:
    """Return a random curve with a standard deviation of about 1 that changes in about `scale` seconds."""
    waves = random.normal(0, 1 / scale, 12) * 2
    phases = random.uniform(0, 2 * np.pi, 12)
    found: Floats = np.cos(times[:, None] * waves + phases).sum(axis=1) / np.sqrt(6)
    return found
