"""Draw random clothes, hats, scarves and glasses."""

from __future__ import annotations

import numpy as np

from model.render.hair import Shell, scalp, shell
from model.render.head import Floats, Head, Part
from model.render.solids import Noise, Solid, ellipsoid, from_lab, grid, ramp, tube


def draw_cloth(random: np.random.Generator) -> Floats:
    """Draw the colour of a cloth, linear RGB (3,)."""
    std = random.choice((4, 35), p=(0.5, 0.5))
    return from_lab(random.uniform(8, 92), random.normal(0, std), random.normal(0, std))


def draw_clothes(head: Head, random: np.random.Generator) -> tuple[list[Shell], list[Solid]]:
    """Draw clothes: a neckline on the neck, and a body below."""
    places, chin = head.vertices, head.at(8)[0]
    cloth = draw_cloth(random)
    low = chin[1] - random.uniform(3.5, 9)
    dip = random.uniform(0, 0.9) * np.maximum(0, places[:, 2]) * np.exp(-((places[:, 0] / 4) ** 2))
    cover = ramp(low - dip - places[:, 1], -0.4, 0.4) * (head.parts == Part.SKIN)
    folds = 1 + 0.12 * Noise(random, 2.0)(places)
    print_ = 1 + random.choice((0, 0.4)) * np.sign(Noise(random, random.uniform(0.8, 4))(places)) / 2
    colour = (cloth * (folds * print_)[:, None]).clip(0.002, 0.9).astype(np.float32)
    shells = [shell(head, cover, np.full(len(places), random.uniform(0.3, 0.9), np.float32), colour, 0.0)]
    bottom = places[:, 1].min()
    body = ellipsoid(
        np.array([0, bottom - random.uniform(8, 10), -1.5], np.float32),
        np.array([random.uniform(17, 23), random.uniform(12, 14), random.uniform(7, 10)], np.float32),
        cloth,
        0.0,
    )
    return shells, [body]


def draw_headwear(head: Head, random: np.random.Generator) -> tuple[list[Shell], list[Solid]]:
    """Draw a woollen hat, a cap, a turban, or a scarf around head and neck."""
    places, brow = head.vertices, head.at(19)[0]
    cloth = draw_cloth(random)
    kind = random.choice(4, p=(0.3, 0.25, 0.15, 0.3))
    knit = 1 + 0.15 * Noise(random, random.uniform(0.4, 1.5), (3, 1, 3))(places)
    colour = (cloth * knit[:, None]).clip(0.002, 0.9).astype(np.float32)
    if kind == 3:
        oval = ((places - head.at(28)[0]) / [6.4, random.uniform(8.6, 9.4), 9.0]) ** 2
        open_face = oval[:, :2].sum(axis=1) + 0.5 * np.maximum(0, -(places[:, 2] - head.at(16)[0, 2])) ** 2
        cover = ramp(open_face, 0.75, 1.15) * (head.parts == Part.SKIN)
        return [shell(head, cover, np.full(len(places), random.uniform(0.6, 1.4), np.float32), colour, 0.0)], []
    front = random.uniform(1.2, 3.0)
    cover = scalp(head, front=front, nape=random.uniform(-3, 1), random=random)
    cover = np.where(places[:, 1] > brow[1] + front - random.uniform(1.5, 5), cover, 0)
    top = ramp(places[:, 1], brow[1] + 1, places[:, 1].max())
    rise = random.uniform(0.6, 1.2) + (random.uniform(1.5, 4) * np.sin(np.pi * top / 1.3) if kind == 2 else 0.8 * top)
    shells = [shell(head, cover, rise.astype(np.float32), colour, 0.0)]
    return shells, [_brim(head, front, cloth, random)] if kind == 1 else []


def _brim(head: Head, front: float, cloth: Floats, random: np.random.Generator) -> Solid:
    brow = head.at(19)[0]
    around, out = np.meshgrid(np.linspace(-1.25, 1.25, 20), np.linspace(0, 1, 6), indexing="xy")
    length, drop = random.uniform(4.5, 7), random.uniform(-0.5, 1.8)
    wide, deep = head.at(25)[0, 0] + 1.6, brow[2] - head.at(16)[0, 2] + 1.2
    places = np.stack(
        (
            wide * np.sin(around) * (1 + 0.1 * out),
            brow[1] + front - drop * out - 0.8 * np.sin(around) ** 2,
            head.at(16)[0, 2] + deep * np.cos(around) + length * out * np.cos(around) ** 0.7,
        ),
        axis=-1,
    )
    normals = np.broadcast_to(np.array([0, 1, 0.1], np.float32), (places.size // 3, 3))
    colour = np.broadcast_to(cloth, normals.shape)
    return Solid(places.reshape(-1, 3).astype(np.float32), normals, grid(*around.shape), colour, 0.0)


def draw_glasses(head: Head, random: np.random.Generator) -> list[Solid]:
    """Draw glasses: round or square, thin or heavy, rarely dark."""
    colour = from_lab(random.choice((6, 25, 60)), random.normal(0, 12), random.normal(0, 12))
    thin = random.uniform(0.06, 0.22)
    wide, high = random.uniform(2.1, 2.9), random.uniform(1.5, 2.4)
    square = random.uniform(2, 6)
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    turn = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    ring = np.sign(turn) * np.abs(turn) ** (2 / square)
    eye = head.at(*range(42, 48)).mean(axis=0)
    front = eye[2] + random.uniform(1.7, 2.6)
    solids, inner = [], []
    for side in (1, -1):
        middle = np.array([side * (eye[0] + 0.15), eye[1] - random.uniform(0.1, 0.5), front])
        path = middle + np.concatenate((ring * [wide, high], -0.12 * np.abs(ring[:, :1]) * wide), axis=1)
        solids.append(tube(path.astype(np.float32), thin, colour, closed=True))
        hinge = path[np.argmax(side * path[:, 0])] + [0, 0.3, 0]
        ear = head.at(16)[0] * [side, 1, 1] + [side * 0.7, 1.2, -2.5]
        solids.append(tube(np.linspace(hinge, ear, 6).astype(np.float32), thin, colour))
        inner.append(path[np.argmin(side * path[:, 0])] + [0, 0.35, 0])
    bridge = np.linspace(inner[0], inner[1], 5).astype(np.float32)
    solids.append(tube(bridge + [[0, 0.15 * (k in (1, 2, 3)), 0] for k in range(5)], thin, colour))
    if random.random() < 0.04:
        dark = from_lab(random.uniform(4, 15), 0, 0)
        for side in (1, -1):
            centre = np.array([side * (eye[0] + 0.15), eye[1] - 0.3, front - 0.2], np.float32)
            solids.append(ellipsoid(centre, np.array([wide, high, 0.15], np.float32), dark, 0.9))
    return solids
