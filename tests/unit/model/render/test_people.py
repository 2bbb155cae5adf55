import numpy as np
import pytest

from model.render.head import Part
from model.render.people import Mover, _around, _normals, draw_person
from model.render.solids import grid
from model.render.studio import _turns


@pytest.fixture
def people(head):
    return [draw_person(head, np.random.default_rng(seed)) for seed in range(12)]


@pytest.fixture(scope="session")
def mover(head):
    return Mover(head)


def still(head, times=1):
    return np.zeros((times, len(head.names)), np.float32), np.stack([np.eye(3)] * times)


def test_the_normals_of_a_sphere_point_outwards():
    polar, around = np.meshgrid(np.linspace(0.1, 3, 20), np.linspace(0, 2 * np.pi, 30, endpoint=False), indexing="ij")
    ball = np.stack((np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)), axis=-1)
    ball = ball.reshape(-1, 3).astype(np.float32)
    triangles = grid(20, 30, closed=True)

    found = _normals(np.stack((ball, 2 * ball)), triangles, _around(triangles, len(ball)))

    found /= np.linalg.norm(found, axis=2, keepdims=True)
    inner = slice(30, -30)  # an edge's normals lean
    assert ((found[:, inner] * ball[inner]).sum(axis=2) > 0.99).all()


def test_the_same_seed_draws_the_same_person(head, people):
    again, other = draw_person(head, np.random.default_rng(3)), people[4]

    for name in ("neutral", "paint", "triangles", "opaque", "skin"):
        assert np.array_equal(getattr(again, name), getattr(people[3], name))
    assert not np.array_equal(again.neutral, other.neutral)
    assert not np.array_equal(again.skin, other.skin)


def test_a_persons_mesh_fits_together(head, mover, people):
    for person in people:
        places, normals = mover.pose(person, *still(head, 2))

        assert places.shape == normals.shape == (2, len(person.paint), 3)
        assert np.isfinite(places).all()
        assert person.paint.shape[1] == 4
        assert person.triangles.min() >= 0
        assert person.triangles.max() < len(person.paint)
        drawn, opaque = (set(map(tuple, t.tolist())) for t in (person.triangles, person.opaque))
        assert opaque < drawn
        parts = head.parts[[a for a, _, _ in person.opaque if a < len(head.vertices)]]
        assert set(parts) == {Part.SKIN}


def test_a_face_at_rest_is_the_persons_and_a_shape_moves_it(head, mover, people):
    weights, turns = still(head, 3)
    jaw = head.names.index("jawOpen")
    weights[:, jaw] = 0, 0.5, 1

    places, _ = mover.pose(people[0], weights, turns)

    face = places[:, : len(head.vertices)]
    assert face[0] == pytest.approx(people[0].neutral, abs=1e-5)
    assert face[2] - face[0] == pytest.approx(head.expression[jaw].reshape(-1, 3), abs=1e-4)
    assert face[1] - face[0] == pytest.approx((face[2] - face[0]) / 2, abs=1e-4)


def test_shells_lie_outside_and_go_with_the_face(head, mover, people):
    weights, turns = still(head, 2)
    weights[1] = 0.5

    for person in people:
        places, normals = mover.pose(person, weights, turns)
        first = len(head.vertices)
        for shell in person.shells:
            here = slice(first, first + len(shell.over))
            first += len(shell.over)
            up = normals[:, shell.over] / np.linalg.norm(normals[:, shell.over], axis=2, keepdims=True)
            rise = ((places[:, here] - places[:, shell.over]) * up).sum(axis=2)
            assert (shell.thickness >= 0).all()
            assert rise == pytest.approx(np.stack((shell.thickness, shell.thickness)), abs=1e-3)
    assert any(shell.thickness.max() > 0.3 for person in people for shell in person.shells)


def test_the_head_turns_on_the_neck_and_leaves_the_shoulders(head, mover, people):
    weights, turns = still(head, 2)
    turns[1] = _turns(np.array([[0.5, 0.1, -0.1]]))[0]

    places, normals = mover.pose(people[0], weights, turns)

    moved = np.linalg.norm(places[1] - places[0], axis=1)[: len(head.vertices)]
    chin, y = head.at(8)[0, 1], head.vertices[:, 1]
    assert moved[y < chin - 7] == pytest.approx(0, abs=1e-4)
    whole = y > chin - 1
    apart = [np.linalg.norm(p[: len(y)][whole] - p[head.landmarks[30]], axis=1) for p in places]
    assert apart[1] == pytest.approx(apart[0], abs=1e-3)  # it keeps its shape
    nose = head.landmarks[30]
    assert places[1, nose, 0] > places[0, nose, 0] + 3  # a yaw above 0 is to the person's left
    assert normals[1, nose] == pytest.approx(turns[1] @ normals[0, nose], abs=1e-3)


@pytest.mark.parametrize(("angles", "nose"), [((0.3, 0, 0), (1, 0)), ((0, 0.3, 0), (0, -1)), ((0, 0, 0.3), (0, 0))])
def test_angles_turn_to_the_persons_left_then_downwards(angles, nose):
    (turn,) = _turns(np.array([angles]))

    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-6)
    assert (turn @ [0, 0, 1])[:2] == pytest.approx(np.sin(0.3) * np.array(nose), abs=1e-6)
