from dataclasses import replace

import numpy as np
import pytest

from model.render.scenes import Film, _from_light, develop, draw_film, draw_scene, gain_of

TIMES = np.arange(3, dtype=np.float32)
CENTRE = np.array([0, -2, 10], np.float32)
SKIN = np.array([0.4, 0.2, 0.1], np.float32)
PLAIN = Film(0.2, 2.2, (1, 1, 1), 1.0, 0, 0, 0, 48, 20)


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(TIMES, 48, CENTRE, SKIN, np.random.default_rng(seed)) for seed in range(60)]


@pytest.fixture
def scene(scenes):
    return replace(next(each for each in scenes if each.occluder is None), shift=np.full((3, 2), 16))


def shown(matrix, place):
    x, y, z, w = matrix @ [*place, 1]
    return np.array([x, y, z]) / w


def test_the_camera_sees_the_face_near_the_middle_and_of_some_size(scenes):
    for scene in scenes:
        for view in scene.view:
            x, y, z = shown(view, CENTRE)
            assert max(abs(x), abs(y)) < 0.5
            assert -1 < z < 1
        top, bottom = (shown(scene.view[0], CENTRE + np.array([0, rise, 0])) for rise in (8.5, -8.5))
        assert 0.3 < (top - bottom)[1] / 2 < 0.75
        assert shown(scene.view[0], CENTRE + np.array([1, 0, 0]))[0] > shown(scene.view[0], CENTRE)[0]


def test_scenes_are_in_their_ranges(scenes):
    for scene in scenes:
        assert scene.background.shape == (80, 80, 3)
        assert 0 <= scene.background.min() <= scene.background.max() <= 1
        assert 0 <= scene.shift.min() <= scene.shift.max() <= 32  # where the background is large enough
        assert np.linalg.norm(scene.lighting.to_light, axis=1) == pytest.approx(1, abs=1e-5)
        assert (scene.lighting.light >= 0).all()
    assert 0 < sum(scene.occluder is not None for scene in scenes) < 20


def test_something_in_between_covers_a_part(scenes):
    for scene in scenes:
        if scene.occluder is not None:
            cover = scene.occluder[..., 3]
            assert 0.002 < cover.mean() < 0.5
            assert cover.max() > 0.9


def test_a_light_sees_what_is_nearer_to_it_first():
    to_light = np.array([0.6, 0.64, 0.48])

    matrix = _from_light(to_light, CENTRE)

    axes = matrix[:3, :3] * 26
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-5)
    assert shown(matrix, CENTRE) == pytest.approx(0, abs=1e-5)
    assert shown(matrix, CENTRE + 13 * to_light) == pytest.approx([0, 0, -0.5], abs=1e-5)


def drawn(light, size=48):
    """A lit face in the middle half."""
    picture = np.zeros((size, size, 4), np.float16)
    picture[12:36, 12:36] = (*light, 1)
    return picture


def test_a_picture_shows_the_drawn_face_on_its_background(scene):
    picture = develop(drawn((0.2, 0.3, 0.4)), 1.0, 0, scene, PLAIN)

    assert picture.shape == (48, 48, 3)
    assert picture[24, 24] == pytest.approx(np.power((0.2, 0.3, 0.4), 1 / 2.2), abs=0.001)
    assert np.array_equal(picture[:12], scene.background[16:28, 16:64])


def test_strong_light_does_not_leave_the_range(scene):
    assert 0.99 < develop(drawn((50, 1, 0)), 3.0, 0, scene, PLAIN).max() <= 1


def test_black_and_white_has_equal_channels(scene):
    picture = develop(drawn((0.2, 0.3, 0.4)), 1.0, 0, scene, replace(PLAIN, saturation=0.0))

    assert picture[..., 0] == pytest.approx(picture[..., 1], abs=1e-6)
    assert picture[..., 1] == pytest.approx(picture[..., 2], abs=1e-6)
    assert picture[24, 24, 0] == pytest.approx(np.power((0.2, 0.3, 0.4), 1 / 2.2) @ (0.299, 0.587, 0.114), abs=0.001)


def test_what_is_in_between_hides_the_face(scene):
    occluder = np.zeros((3, 48, 48, 4), np.float32)
    occluder[1, 20:28, 20:28] = 0.9, 0.1, 0.1, 1

    free, hidden = (develop(drawn((0.2,) * 3), 1.0, k, replace(scene, occluder=occluder), PLAIN) for k in (0, 1))

    assert hidden[24, 24] == pytest.approx((0.9, 0.1, 0.1), abs=1e-5)
    assert np.array_equal(free[:20], hidden[:20])


def test_the_gain_gives_the_face_its_exposure():
    assert gain_of(drawn((0.4, 0.4, 0.4)), PLAIN) == pytest.approx(0.5, abs=0.001)
    assert gain_of(np.zeros((48, 48, 4), np.float16), PLAIN) == 1  # nothing in the middle


def test_films_are_in_their_ranges_and_some_are_black_and_white():
    films = [draw_film(np.random.default_rng(seed)) for seed in range(200)]

    assert {film.size for film in films} == {112, 144, 192}
    assert {film.quality for film in films} <= set(range(16, 33))
    assert 4 < sum(film.saturation == 0 for film in films) < 40
    assert all(0 <= film.smear < 0.5 and film.noise > 0 for film in films)
