import numpy as np
import pytest

from model.errors import ModelError
from model.render import head as module
from model.render.behaviour import SHAPES, UNITS
from model.render.head import MIRRORED, Part, load_head
from tests.unit.model.render.heads import facekit

NEUTRAL = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1)], np.float32)
MODES = np.arange(36, dtype=np.float32).reshape(2, 6, 3) / 8
SMILE, JAW = np.full((6, 3), 0.25, np.float32), np.full((6, 3), -0.5, np.float32)


@pytest.fixture(autouse=True)
def _six_vertices(monkeypatch, request):
    if "real" not in request.node.name:
        monkeypatch.setattr(module, "_RUNS", ((4, Part.SKIN), (6, Part.TEETH)))


def as_folder(folder):
    """The quad of the skin, a helper's triangle, a triangle of teeth; ways to write a corner that OBJ has."""
    folder.mkdir()
    named = {"generic_neutral_mesh": 0, "identity000": MODES[0], "identity001": MODES[1]}
    for name, offsets in (named | {"jawOpen": JAW, "mouthSmile_L": SMILE}).items():
        lines = ["# ICT", *(f"v {x} {y} {z}" for x, y, z in NEUTRAL + offsets), "vt 0 0", "", "usemtl M_Face"]
        lines += ["f 1/1/1 2/1/1 3/1/1 4/1/1", "usemtl M_EyeBlend", "f 1 2 5", "usemtl M_Teeth", "f 4//1 5//1 6//1"]
        (folder / f"{name}.obj").write_text("\n".join(lines))
    return folder


def as_archive(path, **changes):
    arrays = {
        "vertices": NEUTRAL,
        "triangles": np.array([(0, 1, 2), (0, 2, 3), (0, 1, 4), (3, 4, 5)]),
        "material": np.array([0, 0, 2, 1], np.uint8),
        "material_names": np.array(["M_Face", "M_Teeth", "M_EyeBlend", "M_EyeOcclusion", "M_LacrimalFluid"]),
        "identity": MODES.astype(np.float16),
        "expression": np.stack((JAW, SMILE)).astype(np.float16),
        "expression_names": np.array(["jawOpen", "mouthSmile_L"]),
    }
    np.savez(path, **{name: array for name, array in (arrays | changes).items() if array is not None})
    return path


@pytest.fixture(params=["folder of OBJ", "archive", "folder of an archive"])
def published(request, tmp_path):
    if request.param == "folder of OBJ":
        return as_folder(tmp_path / "obj")
    archive = as_archive(tmp_path / "head.npz")
    return archive if request.param == "archive" else tmp_path


def test_a_head_is_read_as_it_was_published(published):
    head = load_head(published)

    assert np.array_equal(head.vertices, NEUTRAL)
    assert head.triangles.tolist() == [[0, 1, 2], [0, 2, 3], [3, 4, 5]]  # a fan; no helper surface
    assert head.parts.tolist() == [Part.SKIN] * 4 + [Part.TEETH] * 2
    assert np.array_equal(head.identity, MODES.reshape(2, -1))
    assert head.names == ("jawOpen", "mouthSmile_L")
    assert np.array_equal(head.expression, np.stack((JAW.ravel(), SMILE.ravel())))
    assert {array.dtype for array in (head.vertices, head.identity, head.expression)} == {np.dtype(np.float32)}
    assert head.landmarks.shape == (68,)


def test_a_mirror_swaps_the_landmarks_of_both_sides(head):
    face = head.at(*range(68))

    assert np.allclose(face[list(MIRRORED)], face * (-1, 1, 1), atol=0.3)
    assert [MIRRORED[one] for one in MIRRORED] == list(range(68))


def test_landmarks_are_found_on_the_mean_head(head):
    assert np.array_equal(head.at(8, 30), head.vertices[head.landmarks[[8, 30]]])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: as_archive(path / "head.npz", vertices=NEUTRAL[:5]), "it has 5 vertices, 6 were expected"),
        (lambda path: as_archive(path / "head.npz", material=None), "is not the ICT Face Model: .*material"),
        (lambda path: as_archive(path / "head.npz", material_names=np.array(["M_Face"])), "M_LacrimalFluid"),
        (lambda path: (path / "head.npz").write_text("no archive"), r"head\.npz is not the ICT Face Model"),
        (lambda path: (path / "head.npz").touch(), r"head\.npz is not the ICT Face Model"),
        (lambda path: np.save(path / "head.npy", NEUTRAL), r"head\.npy is not the ICT Face Model"),
        (lambda path: None, r"head\.npz is missing: .* folder of OBJ files, or its arrays as \.npz"),
    ],
)
def test_what_is_no_head_is_refused(tmp_path, make, said):
    make(tmp_path)
    path = next(tmp_path.iterdir(), tmp_path / "head.npz")

    with pytest.raises(ModelError, match=said):
        load_head(path)


def test_a_folder_without_the_neutral_mesh_is_refused(tmp_path):
    folder = as_folder(tmp_path / "obj")
    (folder / "generic_neutral_mesh.obj").unlink()

    with pytest.raises(ModelError, match=r"generic_neutral_mesh\.obj is missing"):
        load_head(folder)


def test_a_shape_of_another_mesh_is_refused(tmp_path):
    folder = as_folder(tmp_path / "obj")
    (folder / "jawOpen.obj").write_text("v 0 0 0\nv 1 1 1\n")

    with pytest.raises(ModelError, match=r"obj is not the ICT Face Model"):
        load_head(folder)


def test_the_real_head_has_all_that_is_used():
    head = load_head(facekit())

    assert head.vertices.shape == (26719, 3)
    assert len(head.identity) == 100
    assert set(head.names) >= SHAPES
    for shape in {shape for parts in UNITS.values() for shape in parts}:
        assert {shape, f"{shape}_L"} & set(head.names)
    assert head.at(45)[0, 0] > 0 > head.at(36)[0, 0]  # +x is the person's left
    chin, brow, nose = (head.at(number)[0] for number in (8, 19, 30))
    assert chin[1] < nose[1] < brow[1]
    assert nose[2] == pytest.approx(head.vertices[:, 2].max(), abs=0.2)
    smile = np.abs(head.expression[head.names.index("mouthSmile_L")].reshape(-1, 3)).sum(axis=1)
    assert head.vertices[smile.argmax(), 0] > 0
