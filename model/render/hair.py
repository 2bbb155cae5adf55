"""Draw hair and beards: shells over scalp and jaw, and sheets of long hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.render.head import Floats, Head, Indices, Part
from model.render.skin import Looks, beard_mask
from model.render.solids import Noise, Solid, from_lab, grid, ramp

_COLOURS = (  # CIELAB, probability
    ((10, 1, 1), 0.27),
    ((17, 5, 7), 0.24),
    ((28, 9, 15), 0.17),
    ((36, 20, 27), 0.05),
    ((50, 9, 26), 0.1),
    ((68, 4, 28), 0.07),
    ((55, 0, 2), 0.05),
    ((82, 0, 3), 0.05),
)
_DYED = 0.02


@dataclass(frozen=True, eq=False)
class Shell:
    """A surface over some of the head's vertices that moves with them.

    Attributes:
        over: (N,), the head's vertices.
        thickness: (N,), cm along their normals.
        triangles: (F, 3), indices into `over`.
        colour: (N, 3), linear RGB.
        gloss: 0–1.
    """

    over: Indices
    thickness: Floats
    triangles: Indices
    colour: Floats
    gloss: float


def draw_hair_colour(age: float, random: np.random.Generator) -> Floats:
    """Draw a hair colour, linear RGB (3,), more often grey for old people."""
    if random.random() < _DYED:
        return from_lab(random.uniform(30, 60), random.uniform(-50, 60), random.uniform(-50, 50))
    if random.random() < age**2 * 0.8:
        return from_lab(random.uniform(45, 88), 0, random.uniform(-1, 4))
    shares = np.array([share for _, share in _COLOURS])
    lab = _COLOURS[random.choice(len(_COLOURS), p=shares / shares.sum())][0]
    return from_lab(lab[0] * random.uniform(0.7, 1.2), *(value + random.normal(0, 1.5) for value in lab[1:]))


def shell(head: Head, cover: Floats, thickness: Floats, colour: Floats, gloss: float) -> Shell:
    """Return a shell where `cover` (V,) is above 0.5; its edge lies on the skin."""
    chosen = cover > 0.5
    triangles = head.triangles[chosen[head.triangles].all(axis=1)]
    used = np.unique(triangles)
    number = np.zeros(len(cover), np.int32)
    number[used] = np.arange(len(used))
    rise = thickness * ramp(cover, 0.45, 0.85)
    return Shell(used, rise[used].astype(np.float32), number[triangles], colour[used], gloss)


def scalp(head: Head, *, front: float, nape: float, random: np.random.Generator) -> Floats:
    """Return where hair grows, 0–1 for each vertex.

    Args:
        head: the head.
        front: distance of its front edge above the brows, cm.
        nape: distance of its lower edge below the ears' middle, cm.
        random: the random generator, for an irregular hairline.
    """
    places = head.vertices
    brow, chin, side = head.at(19)[0], head.at(8)[0], head.at(16)[0]
    back = (brow[2] - places[:, 2]).clip(0, None)  # cm behind the brows
    line = np.interp(back, (0, 2, 5, 7, 9, 12), (front, front - 0.3, front - 2.2, -1.5, -2.5 - nape / 2, -4 - nape))
    height = places[:, 1] - brow[1] - line
    temple = ramp(np.abs(places[:, 0]), 2.5, 5.5) * ramp(-back, -4.5, -1.0)  # receding hairline at the temples
    wobble = 0.25 * Noise(random, 1.6)(places)
    found = ramp(height - 0.9 * temple + wobble, -0.35, 0.35)
    ear = ramp(np.abs(places[:, 0]), side[0] + 0.9, side[0] + 1.5) * ramp(
        -np.abs(places[:, 1] - side[1] + 1), -4.2, -3.2
    )
    found = found * (1 - ear * ramp(-np.abs(places[:, 2] - side[2] + 3), -4.5, -3.0))
    return np.where((head.parts == Part.SKIN) & (places[:, 1] > chin[1] - 2), found, 0).astype(np.float32)


def strands(head: Head, colour: Floats, random: np.random.Generator) -> Floats:
    """Return a hair colour with light and dark strands, (V, 3)."""
    fine, broad = Noise(random, 0.35, (1, 4, 1)), Noise(random, 2.5)
    tone = 1 + random.uniform(0.1, 0.4) * fine(head.vertices) + 0.12 * broad(head.vertices)
    found: Floats = (colour * tone.clip(0.25, 2)[:, None]).clip(0.002, 0.9)
    return found


def draw_hair(head: Head, looks: Looks, random: np.random.Generator) -> tuple[list[Shell], list[Solid]]:
    """Draw a hairstyle: none, shaved, short, curly, with a fringe, or long."""
    style = random.choice(6, p=(0.08, 0.1, 0.32, 0.14, 0.12, 0.24))
    if style == 0:
        return [], []
    receding = looks.age * random.uniform(0, 2.5) * (random.random() < 0.5)
    front = random.uniform(2.9, 4.3) + receding if style != 4 else random.uniform(0.7, 2.2)
    cover = scalp(head, front=front, nape=random.uniform(0, 3), random=random)
    bumps = 1 + 0.25 * Noise(random, random.uniform(0.8, 3))(head.vertices)
    top = ramp(head.vertices[:, 1], head.at(19)[0, 1] + 2, head.vertices[:, 1].max())
    thick = {1: 0.12, 2: random.uniform(0.4, 1.6), 3: random.uniform(1.2, 3.6)}.get(
        int(style), random.uniform(0.5, 1.3)
    )
    rise = thick * (0.45 + 0.55 * top) * bumps.clip(0.3, 1.8)
    colour = strands(head, looks.hair, random)
    gloss = random.uniform(0.0, 0.2)
    shells = [shell(head, cover, rise, colour, gloss)]
    return shells, [_curtain(head, looks.hair, random)] if style == 5 or (style == 4 and random.random() < 0.5) else []


def draw_beard(head: Head, looks: Looks, random: np.random.Generator) -> list[Shell]:
    """Return the shell of a full beard, if any."""
    if looks.beard < 0.65:
        return []
    mask = beard_mask(head)
    bumps = (1 + 0.3 * Noise(random, 0.9)(head.vertices)).clip(0.3, 1.7)
    rise = (looks.beard - 0.6) * random.uniform(0.5, 3.5) * bumps
    return [shell(head, mask, rise, strands(head, looks.hair * 0.85, random), 0.0)]


def _curtain(head: Head, hair: Floats, random: np.random.Generator) -> Solid:
    """Return a sheet of long hair around the back and the sides of the head."""
    rows, columns = 14, 40
    reach = random.uniform(1.75, 2.35)  # radians from the back of the head
    around, down = np.meshgrid(np.linspace(-reach, reach, columns), np.linspace(0, 1, rows), indexing="xy")
    top, length = head.at(19)[0, 1] + 4.5, random.uniform(9, 22)
    side = head.at(16)[0]
    wave = random.uniform(0, 0.35) * np.sin(down * random.uniform(6, 16) + 3 * around)
    grow = 0.82 + 0.3 * np.sqrt(down) + random.uniform(-0.1, 0.25) * down
    wide = (side[0] + random.uniform(0.8, 1.8)) * grow + wave
    deep = (side[0] + random.uniform(1.5, 2.6)) * grow + wave
    ends = 1 + 0.06 * np.sin(around * random.uniform(3, 9))
    places = np.stack(
        (wide * np.sin(around), top - length * down * ends, side[2] - 3.5 - deep * np.cos(around)), axis=-1
    ).reshape(-1, 3)
    normals = np.stack((np.sin(around), 0.15 * np.sin(around * 25), -np.cos(around)), axis=-1).reshape(-1, 3)
    tone = 1 + 0.25 * Noise(random, 0.5, (1, 8, 1))(places.astype(np.float32))
    colour = (hair * tone.clip(0.3, 1.8)[:, None]).clip(0.002, 0.9)
    return Solid(places.astype(np.float32), normals.astype(np.float32), grid(rows, columns), colour, 0.1)
