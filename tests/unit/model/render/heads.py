"""A head made by formulas, so that the tests need no published one; and the path of the published one.

Its coordinates are ICT's: centimetres, y up, z towards the viewer, landmarks at similar places.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import Delaunay

from model.render.behaviour import SHAPES
from model.render.head import Head, Part
from model.render.solids import Noise, grid, near
from tests.videos import SHARED

_EYES = ((3.1, 3.6, 8.0), (-3.1, 3.6, 8.0))
_LEFT_HALF = {  # landmark: (x, y) of those in the middle or on the person's left
    8: (0, -7.6), 9: (1.5, -7.3), 10: (3.1, -6.9), 11: (4.3, -6.2), 12: (5.7, -4.5), 13: (6.6, -2.4), 14: (6.9, -0.5),
    15: (7.3, 1.5), 16: (7.4, 3.7), 22: (1.2, 5.9), 23: (2.4, 6.2), 24: (3.8, 6.3), 25: (4.9, 6.0), 26: (5.8, 5.2),
    27: (0, 3.7), 28: (0, 2.6), 29: (0, 1.6), 30: (0, 0.4), 33: (0, -1.2), 34: (0.6, -1.1), 35: (1.3, -1.1),
    42: (1.8, 3.3), 43: (2.8, 3.9), 44: (3.9, 3.9), 45: (4.5, 3.4), 46: (3.9, 3.1), 47: (2.7, 3.1),
    51: (0, -2.5), 52: (0.7, -2.4), 53: (1.7, -2.8), 54: (2.5, -3.5), 55: (1.8, -4.1), 56: (1.0, -4.3), 57: (0, -4.4),
    62: (0, -3.3), 63: (1.0, -3.3), 64: (2.2, -3.5), 65: (1.1, -3.45), 66: (0, -3.5),
}  # fmt: skip
_MIRRORED = {
    **{8 - k: 8 + k for k in range(1, 9)}, **{21 - k: 22 + k for k in range(5)}, 31: 35, 32: 34,
    36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46, 48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64, 61: 63, 67: 65,
}  # fmt: skip
_PLACES = {  # the place and distance by which a shape moves the left half of the face, cm
    "brow": ((3, 6, 10), (0, 0.7, 0)),
    "eye": ((3, 3.9, 9.5), (0, -0.4, 0)),
    "cheek": ((4, 0, 9), (0, 0.5, 0)),
    "nose": ((0.8, -0.5, 11), (0, 0.4, 0)),
    "mouth": ((2, -3.5, 10), (0.5, 0.4, 0)),
    "jaw": ((0, -6.5, 10), (0, -1.5, 0)),
}


def facekit() -> Path:
    """Return the path of the ICT Face Model, or skip the test if it is missing."""
    path = SHARED / "facekit"
    if not path.is_dir():
        pytest.skip(f"the ICT Face Model is not in {path}")
    return path


@cache
def small_head() -> Head:
    """Return a head of some 1500 vertices, with everything that people are made of."""
    skin, triangles, landmarks = _skin()
    pieces, parts = [skin], [np.full(len(skin), Part.SKIN)]
    faces = [triangles]
    for part, places, corners in _inside():
        faces.append(corners + sum(map(len, pieces)))
        pieces.append(places)
        parts.append(np.full(len(places), part))
    vertices = np.concatenate(pieces).astype(np.float32)
    random = np.random.default_rng(0)
    modes = [np.stack([Noise(random, 12)(vertices) for _ in range(3)], axis=1) * 0.2 for _ in range(5)]
    names = tuple(sorted(SHAPES))
    return Head(
        vertices=vertices,
        triangles=np.concatenate(faces).astype(np.int32),
        parts=np.concatenate(parts).astype(np.uint8),
        identity=np.stack(modes).reshape(5, -1).astype(np.float32),
        names=names,
        expression=np.stack([_shape(name, vertices) for name in names]).reshape(len(names), -1).astype(np.float32),
        landmarks=landmarks,
    )


def _skin():
    """A head, a neck and shoulders around an axis: azimuth and height are triangulated, and bent around it."""
    points = dict(_LEFT_HALF)
    points |= {number: (-points[other][0], points[other][1]) for number, other in _MIRRORED.items()}
    marks = np.array([points[number] for number in range(68)])
    marks[:, 0] = np.arcsin(marks[:, 0] / _half_wide(marks[:, 1]))
    azimuth, height = np.meshgrid(np.linspace(-np.pi, np.pi, 41), np.linspace(-19, 14, 34))
    flat = np.stack((azimuth.ravel(), height.ravel()), axis=1)
    apart = np.linalg.norm((flat[:, None] - marks) * [7, 1], axis=2).min(axis=1)
    flat = np.concatenate((marks, flat[apart > 0.5]))
    corners = Delaunay(flat * [7, 1]).simplices
    a, b, c = (flat[corners[:, k]] for k in range(3))
    clockwise = (b - a)[:, 0] * (c - a)[:, 1] < (b - a)[:, 1] * (c - a)[:, 0]
    corners[clockwise] = corners[clockwise][:, ::-1]
    wide, (turn, y) = _half_wide(flat[:, 1]), flat.T
    places = np.stack((wide * np.sin(turn), y, 2 + wide * 1.13 * np.cos(turn)), axis=1)
    places[:, 2] += 2.4 * np.exp(-(places[:, 0] ** 2 + (y - 0.4) ** 2) / 1.5) * (np.cos(turn) > 0)
    middle = places[corners].mean(axis=1)
    open_eye = ((np.abs(middle[:, 0]) - 3.15) / 1.3) ** 2 + ((middle[:, 1] - 3.5) / 0.4) ** 2 < 1
    return places, corners[~(open_eye & (middle[:, 2] > 6))], np.arange(68, dtype=np.int32)


def _half_wide(height):
    return np.interp(height, (-19, -14, -11, -8.5, -4, 3, 8, 12, 14), (12, 7, 5.2, 5.4, 7.2, 7.6, 7.2, 4.5, 0.4))


def _inside():
    polar, around = np.meshgrid(np.linspace(0, np.pi, 9), np.linspace(0, 2 * np.pi, 12), indexing="ij")
    ball = np.stack((np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)), axis=-1)
    square, corners = np.array([(-1, -1, 0), (1, -1, 0), (-1, 1, 0), (1, 1, 0)]), np.array([(0, 1, 2), (2, 1, 3)])
    yield Part.MOUTH, square * [2, 1, 0] + [0, -3.5, 6], corners
    yield Part.TEETH, square * [1.5, 0.4, 0] + [0, -3.3, 8], corners
    for eye in _EYES:
        yield Part.SCLERA, ball.reshape(-1, 3) * 1.5 + eye, grid(9, 12)[:, ::-1]
        yield Part.LASHES, square * [1.2, 0.05, 0] + eye + [0, 0.45, 1.9], corners


def _shape(name, vertices):
    place, offset = next(found for start, found in _PLACES.items() if name.startswith(start))
    sides = {"L": (1,), "R": (-1,)}.get(name[-1] if name[-2] == "_" else "", (1, -1))
    return sum(
        near(vertices, np.multiply(place, (s, 1, 1)), 1.2)[:, None] * np.multiply(offset, (s, 1, 1)) for s in sides
    )
