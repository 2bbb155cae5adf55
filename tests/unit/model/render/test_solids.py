import numpy as np
import pytest
from skimage.color import lab2rgb

from model.render.solids import Noise, along, ellipsoid, from_lab, grid, near, over, ramp, tube

GREY = np.full(3, 0.5, np.float32)


def test_places_along_a_path_are_found_as_by_trying():
    random = np.random.default_rng(0)
    places, path = random.normal(size=(50, 3)), random.normal(size=(5, 3))
    shares = np.linspace(0, 4, 8001)
    tried = np.stack([np.interp(shares, range(5), path[:, axis]) for axis in range(3)], axis=1)
    far = np.linalg.norm(places[:, None] - tried, axis=2)

    apart, where = along(places, path)

    assert apart == pytest.approx(far.min(axis=1), abs=1e-3)
    assert where == pytest.approx(shares[far.argmin(axis=1)] / 4, abs=1e-3)


def test_noise_is_even_over_places_and_other_for_another_seed():
    places = np.random.default_rng(0).uniform(-20, 20, (4000, 3))
    fields = np.stack([Noise(np.random.default_rng(seed), 2.0)(places) for seed in range(20)])

    assert abs(fields.mean()) < 0.05
    assert fields.std() == pytest.approx(1, abs=0.05)
    assert np.abs(Noise(np.random.default_rng(0), 2.0)(places + 0.02) - fields[0]).max() < 0.3
    assert np.abs(np.corrcoef(fields) - np.eye(20)).max() < 0.2


def test_a_bell_and_a_ramp():
    line = np.array([(0, 0, 0), (2, 0, 0), (0, 4, 0)], float)

    assert near(line, np.zeros(3), 2) == pytest.approx(np.exp([0, -0.5, -2]))
    assert ramp(np.array([0, 1, 1.5, 2, 3]), 1, 2) == pytest.approx([0, 0, 0.5, 1, 1])


def test_colours_are_those_of_cielab_in_linear_light():
    for lab in ((50.0, 10, 20), (80.0, -20, 5), (20.0, 5, -20)):
        display = lab2rgb(lab)
        linear = np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
        assert from_lab(*lab) == pytest.approx(linear, abs=0.005)


def test_a_colour_covers_what_is_below():
    found = over(np.zeros((3, 3)), np.array([1, 0.5, 0]), np.array([0, 0.5, 1]))

    assert found.tolist() == [[0, 0, 0], [0.5, 0.25, 0], [1, 0.5, 0]]


def test_a_closed_grid_joins_its_ends():
    assert len(grid(3, 4)) == 2 * 2 * 3
    assert len(grid(3, 4, closed=True)) == 2 * 2 * 4
    assert {0, 3} <= set(grid(2, 4, closed=True)[-1].tolist()) | set(grid(2, 4, closed=True)[-2].tolist())


def test_an_ellipsoid_and_a_tube_have_their_radii_and_normals_that_point_outwards():
    ball = ellipsoid(np.array([1, 2, 3], np.float32), np.array([1, 2, 4], np.float32), GREY)
    path = np.stack((np.linspace(0, 9, 10), np.zeros(10), np.zeros(10)), axis=1)
    pipe = tube(path, 0.5, GREY)

    assert (((ball.places - [1, 2, 3]) / [1, 2, 4]) ** 2).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert ((ball.places - [1, 2, 3]) * ball.normals).sum(axis=1).min() > 0
    assert np.linalg.norm(pipe.places[:, 1:], axis=1) == pytest.approx(0.5)
    assert pipe.places[:, 1:] == pytest.approx(0.5 * pipe.normals[:, 1:], abs=1e-6)
    for solid in (ball, pipe):
        assert solid.colour.shape == solid.places.shape == solid.normals.shape
        assert solid.triangles.max() < len(solid.places)


def test_a_closed_tube_ends_where_it_begins():
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = tube(np.stack((np.cos(angle), np.sin(angle), 0 * angle), axis=1), 0.1, GREY, closed=True)

    places = ring.places.reshape(13, 7, 3)
    assert np.array_equal(places[0], places[-1])
