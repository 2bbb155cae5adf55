"""Draw random people: shape, skin, hair, clothes; and pose their meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from model.render.hair import Shell, draw_beard, draw_hair, draw_hair_colour
from model.render.head import Floats, Head, Indices, Part
from model.render.skin import Looks, draw_skin_tone, paint_face
from model.render.solids import Solid, ramp
from model.render.wearables import draw_clothes, draw_glasses, draw_headwear


@dataclass(frozen=True, eq=False)
class Person:
    """A person's mesh and paint.

    The mesh is the head's V vertices, then those of its shells, then those of the solids that go with the head.

    Attributes:
        neutral: (V, 3), the face at rest, cm.
        shells: surfaces over the head, such as hair.
        solids: rigid things that move with the head.
        paint: (mesh, 4), the rasteriser's input.
        triangles: (F, 3), of the mesh, without those that are always covered.
        opaque: (G, 3), those of them that cast shadows.
        skin: linear RGB, (3,).
        age: 0 for a young adult to 1 for an old one.
    """

    neutral: Floats
    shells: tuple[Shell, ...]
    solids: tuple[Solid, ...]
    paint: NDArray[np.uint8]
    triangles: Indices
    opaque: Indices
    skin: Floats
    age: float


def draw_person(head: Head, random: np.random.Generator) -> Person:
    """Draw a random person."""
    modes = random.normal(size=len(head.identity)) * random.uniform(0.6, 1.05)
    neutral = head.vertices + (modes.astype(np.float32) @ head.identity).reshape(-1, 3)
    age = random.beta(0.9, 1.1)
    beard = random.uniform(0.1, 1) if random.random() < 0.3 else 0.0
    looks = Looks(age, draw_hair_colour(age, random), beard, draw_skin_tone(random))
    colour, gloss = paint_face(head, looks, random)
    covered = random.random() < 0.14
    shells, solids = draw_headwear(head, random) if covered else draw_hair(head, looks, random)
    shells += draw_beard(head, looks, random)
    clothes, body = draw_clothes(head, random)
    if random.random() < 0.25:
        solids = [*solids, *draw_glasses(head, random)]
    shells, solids = [*shells, *clothes], [*solids, *body]
    parts = head.parts[head.triangles[:, 0]]
    without = (Part.IRIS,) if random.random() < 0.75 else (Part.IRIS, Part.LASHES)  # the cornea hides the irises
    hidden = np.zeros(len(head.vertices), bool)
    for worn in shells:
        hidden[worn.over[worn.thickness > 0.2]] = True
    seen = ~hidden[head.triangles].all(axis=1)
    triangles = [head.triangles[~np.isin(parts, without) & seen]]
    opaque = [head.triangles[(parts == Part.SKIN) & seen]]
    colours, glosses = [colour], [gloss]
    count = len(neutral)
    pieces: list[Shell | Solid] = [*shells, *solids]
    for piece in pieces:
        triangles.append(piece.triangles + count)
        opaque.append(piece.triangles + count)
        colours.append(piece.colour)
        glosses.append(np.full(len(piece.colour), piece.gloss, np.float32))
        count += len(piece.colour)
    roots = np.sqrt(np.concatenate(colours).clip(0, 1))
    paint = np.concatenate((roots, np.concatenate(glosses)[:, None]), axis=1)
    return Person(
        neutral=neutral.astype(np.float32),
        shells=tuple(shells),
        solids=tuple(solids),
        paint=(255 * paint + 0.5).astype(np.uint8),
        triangles=np.concatenate(triangles).astype(np.int32),
        opaque=np.concatenate(opaque).astype(np.int32),
        skin=looks.skin,
        age=age,
    )


class Mover:
    """Pose people of one head.

    Args:
        head: the morphable head.
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        self._skin = head.triangles[head.parts[head.triangles[:, 0]] == Part.SKIN]
        self._around = _around(self._skin, len(head.vertices))
        self._inside = _normals(head.vertices[None], head.triangles, _around(head.triangles, len(head.vertices)))[0]
        self._inside[np.unique(self._skin)] = 0
        low = head.at(8)[0, 1]
        self._with_head = ramp(head.vertices[:, 1], low - 7, low - 1)[:, None]
        self._pivot = np.array([0, low - 2.5, head.at(16)[0, 2] - 3], np.float32)

    def pose(self, person: Person, weights: Floats, turns: Floats) -> tuple[Floats, Floats]:
        """Return a person's mesh at T moments.

        Args:
            person: the person.
            weights: (T, shapes), weights of the head's expression shapes.
            turns: (T, 3, 3), rotations of the head on the neck.

        Returns:
            Places and normals, each (T, mesh, 3); normals have any length.
        """
        times = len(weights)
        used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-4)
        moved = weights[:, used] @ self._head.expression[used]
        face = person.neutral + moved.reshape(times, -1, 3)
        normals = _normals(face, self._skin, self._around) + self._inside  # teeth and eyes keep theirs
        places, directions = [face], [normals]
        for shell in person.shells:
            up = normals[:, shell.over]
            up = up / (np.linalg.norm(up, axis=2, keepdims=True) + 1e-9)
            places.append(face[:, shell.over] + up * shell.thickness[:, None])
            directions.append(up)
        for solid in person.solids:
            places.append(np.broadcast_to(solid.places, (times, *solid.places.shape)))
            directions.append(np.broadcast_to(solid.normals, (times, *solid.normals.shape)))
        stiff = self._stiffness(person)
        mesh, towards = np.concatenate(places, axis=1), np.concatenate(directions, axis=1)
        turned = (mesh - self._pivot) @ turns.transpose(0, 2, 1) + self._pivot
        return mesh + stiff * (turned - mesh), towards + stiff * (towards @ turns.transpose(0, 2, 1) - towards)

    def _stiffness(self, person: Person) -> Floats:
        """Return how much each vertex of the mesh moves with the head, (mesh, 1): 0 at the shoulders."""
        parts = [self._with_head, *(self._with_head[shell.over] for shell in person.shells)]
        for solid in person.solids:
            low = solid.places[:, 1].max() < self._pivot[1] - 6
            parts.append(np.full((len(solid.places), 1), 0.0 if low else 1.0, np.float32))
        return np.concatenate(parts)


def _around(triangles: Indices, count: int) -> sparse.csr_matrix:
    """Return the incidence matrix of vertices and triangles, (V, F)."""
    corners, faces = triangles.ravel(), np.repeat(np.arange(len(triangles)), 3)
    return sparse.csr_matrix((np.ones(len(corners), np.float32), (corners, faces)), (count, len(triangles)))


def _normals(places: Floats, triangles: Indices, around: sparse.csr_matrix) -> Floats:
    """Compute the vertex normals of (T, V, 3): area-weighted sums over adjacent triangles."""
    flat = places.transpose(1, 2, 0).reshape(len(around.indptr) - 1, -1)  # (V, 3·T)
    a, b, c = (flat[corner].reshape(len(triangles), 3, -1) for corner in triangles.T)
    b, c = b - a, c - a
    across = np.stack([b[:, i] * c[:, j] - b[:, j] * c[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=1)
    found: Floats = around @ across.reshape(len(triangles), -1)
    return found.reshape(-1, 3, len(places)).transpose(2, 0, 1)
