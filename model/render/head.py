"""Morphable head model: geometry, identity modes and expression shapes.

The ICT Face Model (Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020; MIT licence,
github.com/ICT-VGL/ICT-FaceKit) is read from its published folder of OBJ files, or from one NumPy archive of the same
arrays. It does not come with Mien. Lengths are centimetres, y is up, z towards the viewer.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError

Floats = NDArray[np.floating]
"""float32 for large arrays, float64 for small ones."""
Indices = NDArray[np.int32]


class Part(IntEnum):
    """Part of the head that a vertex belongs to."""

    SKIN = 0
    MOUTH = 1  # the socket, gums and tongue
    TEETH = 2
    SCLERA = 3
    IRIS = 4
    LASHES = 5


@dataclass(frozen=True, eq=False)
class Head:
    """A morphable head of V vertices.

    Attributes:
        vertices: (V, 3), the neutral mean head.
        triangles: (F, 3), indices of vertices, counter-clockwise as seen from outside.
        parts: (V,), the `Part` of each.
        identity: (modes, V·3), offsets; weights ~ N(0, 1) make people.
        names: of the expression shapes, as ARKit has them: `jawOpen`, `mouthSmile_L`.
        expression: (shapes, V·3), offsets; weights in [0, 1].
        landmarks: (68,), vertices of the Multi-PIE points: jaw 0–16, brows 17–26, nose 27–35, eyes 36–47, outer lips
            48–59, inner lips 60–67.
    """

    vertices: Floats
    triangles: Indices
    parts: NDArray[np.uint8]
    identity: Floats
    names: tuple[str, ...]
    expression: Floats
    landmarks: Indices

    def at(self, *numbers: int) -> Floats:
        """Return the positions of landmarks on the mean head, (len(numbers), 3)."""
        return self.vertices[self.landmarks[list(numbers)]]


# The first vertex after each run of one part, as the upstream README lists its pieces.
_RUNS = (
    (11_248, Part.SKIN),
    (17_039, Part.MOUTH),
    (21_451, Part.TEETH),
    (22_221, Part.SCLERA),
    (23_021, Part.IRIS),
    (23_791, Part.SCLERA),
    (24_591, Part.IRIS),
    (26_719, Part.LASHES),
)
_HELPERS = ("M_LacrimalFluid", "M_EyeBlend", "M_EyeOcclusion")  # surfaces that are not drawn
# The Multi-PIE points of the upstream README.
_LANDMARKS = (
    *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),
    *(268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360),
    *(1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732),
    *(5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841),
    *(5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),
)
MIRRORED = (
    *(*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1)),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1)),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
"""Index of each of the 68 landmarks' mirror image."""
_NEUTRAL = "generic_neutral_mesh"


def load_head(path: Path) -> Head:
    """Read the ICT Face Model.

    Args:
        path: the folder of OBJ files, an `.npz` of its arrays, or a folder with one such file.

    Raises:
        ModelError: the path is neither.
    """
    if path.is_dir() and not (path / f"{_NEUTRAL}.obj").exists():
        archives = sorted(path.glob("*.npz"))
        path = archives[0] if len(archives) == 1 else path
    try:
        return _from_folder(path) if path.is_dir() else _from_archive(path)
    except FileNotFoundError as error:
        raise ModelError(
            f"{error.filename} is missing: {path} should be ICT-FaceKit's folder of OBJ files, or its arrays as .npz."
        ) from error
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is not the ICT Face Model: {error}.") from error


def _from_archive(path: Path) -> Head:
    with np.load(path) as arrays:
        drawn = ~np.isin(arrays["material"], [list(arrays["material_names"]).index(name) for name in _HELPERS])
        return _head(
            arrays["vertices"],
            arrays["triangles"][drawn],
            arrays["identity"],
            tuple(map(str, arrays["expression_names"])),
            arrays["expression"],
        )


def _from_folder(folder: Path) -> Head:
    neutral, triangles = _mesh(folder / f"{_NEUTRAL}.obj")
    shapes = {path.stem: path for path in sorted(folder.glob("*.obj")) if path.stem != _NEUTRAL}
    modes = [name for name in shapes if name.startswith("identity")]
    names = tuple(name for name in shapes if name not in modes)
    moved = {name: _mesh(path)[0] - neutral for name, path in shapes.items()}
    return _head(
        neutral,
        triangles,
        np.stack([moved[name] for name in modes]),
        names,
        np.stack([moved[name] for name in names]),
    )


def _head(vertices: Floats, triangles: Indices, identity: Floats, names: tuple[str, ...], expression: Floats) -> Head:
    if len(vertices) != _RUNS[-1][0]:
        raise ValueError(f"it has {len(vertices)} vertices, {_RUNS[-1][0]} were expected")
    parts = np.zeros(len(vertices), np.uint8)
    first = 0
    for after, part in _RUNS:
        parts[first:after] = part
        first = after
    return Head(
        vertices=vertices.astype(np.float32),
        triangles=triangles.astype(np.int32),
        parts=parts,
        identity=identity.reshape(len(identity), -1).astype(np.float32),
        names=names,
        expression=expression.reshape(len(expression), -1).astype(np.float32),
        landmarks=np.array(_LANDMARKS, np.int32),
    )


def _mesh(path: Path) -> tuple[Floats, Indices]:
    """Read vertices (V, 3) and the triangles of drawn materials; polygons become triangle fans."""
    vertices: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    drawn = True
    with path.open(encoding="utf-8") as file:
        for line in file:
            kind, *fields = line.split() or [""]
            if kind == "v":
                vertices.append([float(field) for field in fields[:3]])
            elif kind == "usemtl":
                drawn = fields[0] not in _HELPERS
            elif kind == "f" and drawn:
                first, *others = (int(field.partition("/")[0]) - 1 for field in fields)
                triangles += [(first, second, third) for second, third in pairwise(others)]
    return np.array(vertices, np.float32), np.array(triangles, np.int32)
