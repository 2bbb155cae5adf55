"""Paint a face: skin tone, lips, eyes, brows, teeth, stubble, wrinkles, make-up.

Skin tones are spread over individual typology angles from very light to dark (Chardon, Cretois, Hourseau, "Skin colour
typology and suntanning pathways", Int. J. Cosmetic Science 1991): ITA = arctan((L* − 50) / b*).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.render.head import Floats, Head, Part
from model.render.solids import Noise, along, from_lab, near, over, ramp, to_lab

_SIDES = (1, -1)
_IRISES = ((22, 4, 8), (30, 10, 20), (38, 10, 26), (48, -6, 14), (50, -4, -14), (56, -2, -6))  # CIELAB
_EYE = 0.62  # radius of an iris, cm


@dataclass(frozen=True)
class Looks:
    """Attributes of a person that several parts share.

    Attributes:
        age: 0 for a young adult to 1 for an old one.
        hair: linear RGB of hair and brows, (3,).
        beard: 0 for none, to 1 for a full one.
        skin: linear RGB of the skin, (3,).
    """

    age: float
    hair: Floats
    beard: float
    skin: Floats


_TONES = {55: "very-light", 41: "light", 28: "intermediate", 10: "tan", -30: "brown"}  # by their lowest angle, degrees


def skin_tone(skin: Floats) -> str:
    """Return the class of a skin's colour, linear RGB (3,), by its individual typology angle."""
    lightness, _, yellow = to_lab(skin)
    angle = np.rad2deg(np.arctan2(lightness - 50, yellow))
    return next((name for lowest, name in _TONES.items() if angle > lowest), "dark")


def draw_skin_tone(random: np.random.Generator) -> Floats:
    """Draw a skin tone, linear RGB (3,)."""
    angle = np.deg2rad(random.uniform(-48, 60))
    yellow = random.normal(17, 2.5) - 5 * (angle < -0.5)
    red = random.normal(11, 2)
    return from_lab(50 + max(6.0, yellow) * np.tan(angle), red, max(6.0, yellow))


def paint_face(head: Head, looks: Looks, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return linear RGB of each vertex (V, 3) and its gloss (V,)."""
    places = head.vertices
    colour = _skin(head, looks, random)
    colour = over(colour, looks.hair, _brows(head, looks, random))
    colour = over(colour, _beard_colour(looks), _stubble(head, looks, random))
    colour = _lips(head, colour, looks, random)
    gloss = np.full(len(places), random.uniform(0.02, 0.22), np.float32)
    made_up = random.random() < 0.25
    if made_up:
        colour = _make_up(head, colour, random)
    for part, paint in (
        (Part.MOUTH, _mouth(head)),
        (Part.TEETH, _teeth(head, random)),
        (Part.SCLERA, _eyes(head, random)),
        (Part.LASHES, np.full((1, 3), 0.012, np.float32)),
    ):
        here = head.parts == part
        colour[here] = paint[here] if len(paint) > 1 else paint
    gloss[head.parts == Part.SCLERA] = 1.0
    gloss[head.parts == Part.TEETH] = 0.5
    gloss[head.parts == Part.LASHES] = 0.0
    return colour.clip(0.003, 0.95), gloss


def _skin(head: Head, looks: Looks, random: np.random.Generator) -> Floats:
    places = head.vertices
    uneven = sum(
        (strength * Noise(random, scale)(places) for strength, scale in ((0.05, 6.0), (0.04, 2.0), (0.035, 0.7))),
        np.zeros(len(places), np.float32),
    )
    colour = looks.skin * (1 + uneven * random.uniform(0.3, 1.4))[:, None]
    red = sum(
        strength * near(places, place, radius)
        for strength, place, radius in (
            (random.uniform(0, 0.35), head.at(30)[0], 1.6),
            (random.uniform(0, 0.3), head.at(48)[0] * [2.0, 0.1, 0.75], 2.0),
            (random.uniform(0, 0.3), head.at(54)[0] * [2.0, 0.1, 0.75], 2.0),
            (random.uniform(0, 0.2), head.at(8)[0], 1.8),
        )
    )
    colour = colour * (1 - np.asarray(red)[:, None] * [0.0, 0.45, 0.4])
    rings = sum(near(places, _beside(head.at(e)[0], 0, -1.0, 0.2), 0.8) for e in (41, 46))
    colour = colour * (1 - random.uniform(0, 0.5) * (0.4 + looks.age) * np.asarray(rings))[:, None]
    for _ in range(random.poisson(4 + 12 * looks.age)):  # moles, freckles and spots
        spot = places[random.integers(len(places) // 3)]
        colour = colour * (1 - random.uniform(0.2, 0.7) * near(places, spot, random.uniform(0.06, 0.2)))[:, None]
    return _lined(head, colour, looks, random)


def _lined(head: Head, colour: Floats, looks: Looks, random: np.random.Generator) -> Floats:
    """Paint wrinkles of age, independent of the expression."""
    depth = looks.age**1.3 * random.uniform(0.2, 0.75) + random.uniform(0, 0.08)
    front = head.vertices[:, 2] > head.at(36)[0, 2] - 4.5
    places = head.vertices[front]
    dark = np.zeros(len(places), np.float32)

    def line(path: Sequence[Floats], strength: float, width: float, side: int = 1) -> None:
        apart, share = along(places, (np.stack(path) * [side, 1, 1]).astype(np.float32))
        fade = np.sin(np.pi * (0.12 + 0.76 * share))
        np.maximum(dark, strength * fade * np.exp(-((apart / width) ** 2)), out=dark)

    nose, corner, brow = head.at(35)[0], head.at(54)[0], head.at(22)[0]
    eye, lid = head.at(45)[0], head.at(46, 47)
    for side in _SIDES:
        fold = (
            _beside(nose, 0.9, 0.7, -0.6),
            _beside((nose + corner) / 2, 1.2, 0.4, -0.5),
            _beside(corner, 0.8, 0.2, -0.5),
        )
        line(fold, random.uniform(0.4, 1), 0.22, side)
        grim = _beside(corner, 0.4, -0.4, 0), _beside(corner, 0.7, -2.2, -0.4)
        line(grim, random.uniform(0, 0.8), 0.2, side)
        bag = _beside(eye, -0.2, -0.8, 0.2), _beside(lid[0], 0, -0.9, 0.2), _beside(lid[1], -0.5, -0.7, 0.2)
        line(bag, random.uniform(0.2, 0.9), 0.2, side)
        for rise in (-0.7, 0.1, 0.9):
            crow = _beside(eye, 0.6, 0.2 * rise, -0.3), _beside(eye, 1.9, rise, -1.3)
            line(crow, random.uniform(0, 0.7), 0.1, side)
        frown = _beside(brow, -0.6, -0.8, 0), _beside(brow, -0.6, 1.0, 0)
        line(frown, random.uniform(0, 0.8), 0.13, side)
    top = head.at(19)[0, 1]
    for height in (1.4, 2.3, 3.2):
        across = np.linspace(-3.6, 3.6, 7)
        bow = top + height + 0.25 * np.cos(across + random.normal())
        deep = np.interp(across, (-4, 0, 4), (head.at(18)[0, 2], head.at(21)[0, 2], head.at(25)[0, 2]))
        line(list(np.stack((across, bow, deep), axis=1)), random.uniform(0.1, 0.9), 0.14)
    lined = colour.copy()
    lined[front] *= (1 - depth * dark)[:, None]
    return lined


def _beside(place: Floats, right: float, up: float, forward: float) -> Floats:
    """Offset a point (3,) by cm to the right, up and forward."""
    found: Floats = place + np.array([right, up, forward])
    return found


def _brows(head: Head, looks: Looks, random: np.random.Generator) -> Floats:
    """Return the brows' alpha at each vertex; shape and thickness vary by person, independent of the expression."""
    thick, lift, tilt = random.uniform(0.16, 0.5), random.uniform(-0.35, 0.45), random.normal(0, 0.14)
    dense = random.uniform(0.25, 0.95) * (1 - 0.4 * looks.age)
    places, cover = head.vertices, np.zeros(len(head.vertices), np.float32)
    hairs = 1 + 0.35 * Noise(random, 0.25, (3, 1, 1))(places)
    for numbers in ((22, 23, 24, 25, 26), (21, 20, 19, 18, 17)):
        path = head.at(*numbers) + [[0, lift + tilt * (k - 2), 0] for k in range(5)]
        apart, share = along(places, path.astype(np.float32))
        width = thick * (1.1 - 0.65 * share)
        cover = np.maximum(cover, dense * np.exp(-((apart / width) ** 4)) * hairs)
    return np.where(head.parts == Part.SKIN, cover.clip(0, 1), 0)


def beard_mask(head: Head) -> Floats:
    """Return the beard mask, 0–1 for each vertex: lower cheeks, jaw, chin, above the lips."""
    x, y, z = head.vertices.T
    jaw = head.at(8)[0]
    nose, mouth = head.at(33)[0, 1], head.at(62)[0, 1]
    side = np.abs(x)
    upper = nose - 0.6 + 0.16 * np.maximum(0, side - 2.5) ** 1.5
    low = ramp(upper - y, 0, 0.8) * ramp(y, jaw[1] - 2.6, jaw[1] - 0.8)
    front = ramp(z, head.at(3)[0, 2] - 2.2, head.at(3)[0, 2] - 0.4)
    lips = _lip_cover(head)
    below_nose = np.exp(-((side / 0.5) ** 2)) * ramp(y, mouth + 0.5, nose)
    found: Floats = low * front * (1 - lips) * (1 - 0.7 * below_nose)
    return np.where(head.parts == Part.SKIN, found, 0)


def _beard_colour(looks: Looks) -> Floats:
    return looks.hair * 0.8 + 0.004


def _stubble(head: Head, looks: Looks, random: np.random.Generator) -> Floats:
    """Return the alpha of stubble at each vertex."""
    x, y, _ = head.vertices.T
    mask = beard_mask(head)
    style = random.random()
    if style < 0.15:  # a moustache alone
        mask = mask * ramp(y, head.at(62)[0, 1] - 0.3, head.at(62)[0, 1] + 0.2)
    elif style < 0.35:  # around the mouth
        mask = mask * ramp(-np.abs(x), -2.9, -2.3)
    grains = 1 + 0.45 * Noise(random, 0.22)(head.vertices) + 0.2 * Noise(random, 1.5)(head.vertices)
    found: Floats = (min(1.0, 1.4 * looks.beard) * mask * grains).clip(0, 0.96)
    return found


def _lip_cover(head: Head) -> Floats:
    """Return the lips' mask: 1 on the lips, falling to 0 beside them."""
    outer, inner = head.at(*range(48, 60)), head.at(*range(60, 68))
    ring = np.concatenate((outer, outer[:1]))
    apart, _ = along(head.vertices, ring)
    x, y, z = head.vertices.T
    middle = inner.mean(axis=0)
    half_wide = (outer[:, 0].max() - outer[:, 0].min()) / 2
    upper = np.interp(np.abs(x), (0, 0.7, 1.7, half_wide), outer[[3, 4, 5, 6], 1])
    lower = np.interp(np.abs(x), (0, 1.0, 1.8, half_wide), outer[[9, 8, 7, 6], 1])
    inside = (y < upper) & (y > lower) & (np.abs(x) < half_wide) & (z > middle[2] - 1.6)
    found: Floats = np.where(inside, 1.0, np.exp(-((apart / 0.12) ** 2)))
    return np.where((head.parts == Part.SKIN) & (z > middle[2] - 2), found, 0).astype(np.float32)


def _lips(head: Head, colour: Floats, looks: Looks, random: np.random.Generator) -> Floats:
    natural = looks.skin * random.uniform(0.6, 0.95) * [1.0, random.uniform(0.6, 0.85), random.uniform(0.62, 0.9)]
    return over(colour, natural, random.uniform(0.35, 0.95) * _lip_cover(head))


def _make_up(head: Head, colour: Floats, random: np.random.Generator) -> Floats:
    lips = from_lab(random.uniform(25, 55), random.uniform(25, 60), random.uniform(0, 30))
    colour = over(colour, lips, random.uniform(0.3, 0.9) * _lip_cover(head))
    shade = from_lab(random.uniform(15, 50), random.uniform(-10, 25), random.uniform(-25, 25))
    lids = sum(near(head.vertices, _beside(place, 0, 0.35, 0), 0.55) for place in head.at(37, 38, 43, 44))
    return over(colour, shade, (random.uniform(0, 0.7) * np.asarray(lids)).clip(0, 0.8))


def _mouth(head: Head) -> Floats:
    """Return the colour of the mouth's inside, darker with depth."""
    depth = ramp(head.vertices[:, 2], head.at(62)[0, 2] - 6, head.at(62)[0, 2])
    return np.array([0.26, 0.06, 0.06], np.float32) * (0.08 + 0.92 * depth)[:, None]


def _teeth(head: Head, random: np.random.Generator) -> Floats:
    white = from_lab(random.uniform(62, 90), random.uniform(-1, 4), random.uniform(2, 22))
    depth = ramp(head.vertices[:, 2], head.at(62)[0, 2] - 4.5, head.at(62)[0, 2] - 0.5)
    return white * (0.15 + 0.85 * depth)[:, None]


def _eyes(head: Head, random: np.random.Generator) -> Floats:
    places = head.vertices
    white = from_lab(random.uniform(72, 88), random.uniform(0, 7), random.uniform(0, 9))
    colour = np.broadcast_to(white, places.shape).astype(np.float32)
    iris = from_lab(*(value + random.normal(0, 2) for value in _IRISES[random.integers(len(_IRISES))]))
    pupil = random.uniform(0.14, 0.3)
    for side in _SIDES:
        ball = (head.parts == Part.SCLERA) & (np.sign(places[:, 0]) == side)
        low, high = places[ball].min(axis=0), places[ball].max(axis=0)
        off = np.linalg.norm((places - (low + high) / 2)[:, :2], axis=1)
        here = ball & (places[:, 2] > (low[2] + high[2]) / 2)
        inner = here & (off < _EYE)
        edge = 1 - 0.65 * ramp(off, _EYE - 0.14, _EYE)
        colour[inner] = (iris * edge[:, None])[inner]
        colour[here & (off < pupil)] = 0.004
        rim = ramp(off, _EYE + 0.1, 1.35)
        colour[here & ~inner] *= (1 - 0.5 * rim)[here & ~inner, None]
    return colour
