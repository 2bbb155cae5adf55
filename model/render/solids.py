"""Geometric primitives and random fields for accessories and textures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from model.render.head import Floats, Indices


@dataclass(frozen=True, eq=False)
class Solid:
    """A surface of N vertices with its own colour.

    Attributes:
        places: (N, 3), cm.
        normals: (N, 3).
        triangles: (F, 3).
        colour: (N, 3), linear RGB.
        gloss: 0–1.
    """

    places: Floats
    normals: Floats
    triangles: Indices
    colour: Floats
    gloss: float


def grid(rows: int, columns: int, *, closed: bool = False) -> Indices:
    """Return the triangles of a grid of rows × columns vertices; closed joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    squares = np.stack((a, a + columns, b, b, a + columns, b + columns), axis=-1)
    return squares.reshape(-1, 3).astype(np.int32)


def ellipsoid(centre: Floats, radii: Floats, colour: Floats, gloss: float = 0.1) -> Solid:
    """Return an axis-aligned ellipsoid of one colour, (3,)."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, 12), np.linspace(0, 2 * np.pi, 16), indexing="ij")
    ball = np.stack((np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)), axis=-1)
    ball = ball.reshape(-1, 3).astype(np.float32)
    return Solid(centre + ball * radii, ball / radii, grid(12, 16), _all(colour, len(ball)), gloss)


def tube(path: Floats, radius: float, colour: Floats, gloss: float = 0.3, *, closed: bool = False) -> Solid:
    """Return a tube with open ends along a path (N, 3)."""
    ahead = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    up = np.where(np.abs(ahead[:, 1:2]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(ahead, up)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, ahead)
    angle = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    ring = np.concatenate((ring, ring[:, :1]), axis=1)
    places = path[:, None] + radius * ring
    if closed:
        places, ring = (np.concatenate((x, x[:1])) for x in (places, ring))
    count = places.shape[0] * places.shape[1]
    return Solid(
        places.reshape(-1, 3).astype(np.float32),
        ring.reshape(-1, 3).astype(np.float32),
        grid(*places.shape[:2]),
        _all(colour, count),
        gloss,
    )


def _all(colour: Floats, count: int) -> Floats:
    return np.broadcast_to(np.asarray(colour, np.float32), (count, 3))


class Noise:
    """A smooth random field in space, with a mean of 0 and a standard deviation of 1.

    Args:
        random: the random generator.
        scale: cm from one bump to the next, about.
        stretch: (3,), how much longer bumps are along each axis.
    """

    def __init__(
        self, random: np.random.Generator, scale: float, stretch: tuple[float, float, float] = (1, 1, 1)
    ) -> None:
        waves = 24
        self._waves = (random.normal(size=(3, waves)) * 2.5 / scale / np.array(stretch)[:, None]).astype(np.float32)
        self._phases = random.uniform(0, 2 * np.pi, waves).astype(np.float32)

    def __call__(self, places: Floats) -> Floats:
        """Evaluate the field at positions (N, 3); return (N,)."""
        found: Floats = np.cos(places @ self._waves + self._phases).sum(axis=1) / np.sqrt(len(self._phases) / 2)
        return found


def near(places: Floats, centre: Floats, radius: float) -> Floats:
    """Evaluate a Gaussian with a peak of 1 at the centre (3,); return (N,)."""
    found: Floats = np.exp(-((places - centre) ** 2).sum(axis=1) / (2 * radius**2))
    return found


def along(places: Floats, path: Floats) -> tuple[Floats, Floats]:
    """Return the distances of points (N, 3) from a path (M, 3) in cm, and the nearest positions on it, 0–1."""
    starts, steps = path[:-1], np.diff(path, axis=0)
    long2 = (steps**2).sum(axis=1)
    # (N, M − 1): the foot of each place on each step, then |p − foot|² = |p|² − 2·p·foot + |foot|²
    share = ((places @ steps.T - (starts * steps).sum(axis=1)) / long2).clip(0, 1)
    off2 = (places**2).sum(axis=1)[:, None] - 2 * (places @ starts.T) + (starts**2).sum(axis=1)
    off2 -= share * (2 * (places @ steps.T - (starts * steps).sum(axis=1)) - share * long2)
    best = off2.argmin(axis=1)
    rows = np.arange(len(places))
    return np.sqrt(off2[rows, best].clip(0, None)), (best + share[rows, best]) / len(steps)


def ramp(x: Floats, low: float, high: float) -> Floats:
    """Smoothstep: return 0 below `low`, 1 above `high`, and a smooth transition between."""
    share = ((x - low) / (high - low)).clip(0, 1)
    found: Floats = share * share * (3 - 2 * share)
    return found


def from_lab(lightness: float, a: float, b: float) -> Floats:
    """Convert a CIELAB colour to linear RGB, (3,)."""
    pixel = np.array([[[lightness, a, b]]], np.float32)
    found: Floats = cv2.cvtColor(pixel, cv2.COLOR_Lab2LRGB)[0, 0].clip(0.004, 1)
    return found


def to_lab(colour: Floats) -> Floats:
    """Convert a linear RGB colour (3,) to CIELAB, (3,)."""
    found: Floats = cv2.cvtColor(np.asarray(colour, np.float32)[None, None], cv2.COLOR_LRGB2Lab)[0, 0]
    return found


def over(below: Floats, colour: Floats, cover: Floats) -> Floats:
    """Blend a colour over colours (N, 3) with the alpha `cover` (N,)."""
    found: Floats = below + cover[:, None] * (colour - below)
    return found
