import moderngl
import numpy as np
import pytest

from model.errors import ModelError
from model.render.rasterise import Lighting, Rasteriser
from model.render.scenes import _from_light

VIEW = np.diag([0.1, 0.1, -0.01, 1]).astype(np.float32)  # straight ahead; the picture is 20 cm wide
EYE = np.array([0, 0, 90], np.float32)
AHEAD = np.array([0, 0, 1], np.float32)
ASIDE = np.array([1, 0, 1], np.float32) / np.sqrt(2)


def lit(to_light=AHEAD, light=1.0, around=0.0, **changes):
    lights = np.stack((to_light, AHEAD, AHEAD)).astype(np.float32)
    strengths = np.array([[light] * 3, [0] * 3, [0] * 3], np.float32)
    ambient = np.full(3, around, np.float32)
    return Lighting(
        lights, strengths, **{"sky": ambient, "ground": ambient, "softness": 0, "shadow_depth": 0} | changes
    )


def square(x, z, half, normal=AHEAD, grey=255):
    corners = np.array([(-1, -1, 0), (1, -1, 0), (-1, 1, 0), (1, 1, 0)]) * half + [x, 0, z]
    return corners, np.tile(normal, (4, 1)), np.tile(np.array([grey, grey, grey, 0], np.uint8), (4, 1))


def draw(rasteriser, *squares, lighting, shadow_view=VIEW):
    places, normals, paint = (np.concatenate(kind) for kind in zip(*squares, strict=True))
    triangles = np.concatenate([np.array([(0, 1, 2), (2, 1, 3)]) + 4 * k for k in range(len(squares))])
    rasteriser.take(paint, triangles, triangles)
    found = rasteriser.draw(places, normals, view=VIEW, eye=EYE, shadow_view=shadow_view, lighting=lighting)
    return found.astype(np.float32)


def at(picture, x, y=0.0):
    """The pixel that shows a place."""
    size = len(picture)
    return picture[int((1 - y / 10) * size / 2), int((1 + x / 10) * size / 2)]


def test_the_background_is_empty_and_what_is_drawn_is_covered(rasteriser):
    picture = draw(rasteriser, square(4, 0, 3), lighting=lit())

    assert picture.shape == (64, 64, 4)
    assert at(picture, 4).tolist() == [1, 1, 1, 1]
    assert at(picture, -4).tolist() == [0, 0, 0, 0]
    assert set(np.unique(picture[..., 3])) == {0, 1}
    assert picture[..., 3].mean() == pytest.approx(36 / 400, abs=0.01)


def test_up_is_up(rasteriser):
    places, normals, paint = square(0, 0, 3)

    picture = draw(rasteriser, (places + np.array([0, 5, 0]), normals, paint), lighting=lit())

    assert at(picture, 0, 5)[3] == 1
    assert at(picture, 0, -5)[3] == 0


def test_what_faces_a_light_is_brighter(rasteriser):
    towards, away = square(-5, 0, 3, ASIDE), square(5, 0, 3, ASIDE * [-1, 1, 1])

    picture = draw(rasteriser, towards, away, lighting=lit(ASIDE))

    assert at(picture, -5)[0] == pytest.approx(1, abs=0.01)
    assert at(picture, 5)[0] == pytest.approx(0, abs=0.01)
    softer = draw(rasteriser, towards, away, lighting=lit(ASIDE, softness=0.5))
    assert at(softer, 5)[0] == pytest.approx(0.5 / 1.5, abs=0.01)


def test_paint_is_the_square_root_of_what_is_reflected(rasteriser):
    picture = draw(rasteriser, square(0, 0, 3, grey=128), lighting=lit(light=0.8))

    assert at(picture, 0)[:3] == pytest.approx(0.8 * (128 / 255) ** 2, abs=0.002)


def test_light_from_around_differs_from_above_to_below(rasteriser):
    sky, ground = np.array([0, 0, 1], np.float32), np.array([1, 0, 0], np.float32)
    up = np.array([0, 1, 0.01], np.float32)

    picture = draw(
        rasteriser,
        square(-5, 0, 3, up),
        square(5, 0, 3, up * [1, -1, 1]),
        lighting=lit(light=0, sky=sky, ground=ground),
    )

    assert at(picture, -5)[:3] == pytest.approx([0, 0, 1], abs=0.02)
    assert at(picture, 5)[:3] == pytest.approx([1, 0, 0], abs=0.02)


@pytest.mark.parametrize("depth", [0, 0.5, 1])
def test_shadows_darken(rasteriser, depth):
    scene = square(0, 0, 9), square(3, 6, 1.5)  # the shadow of a square 6 cm above lies 6 cm to its left
    view = _from_light(ASIDE, np.zeros(3, np.float32))

    picture = draw(rasteriser, *scene, lighting=lit(ASIDE, shadow_depth=depth), shadow_view=view)

    bright = at(picture, 7)[0]
    assert bright == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert at(picture, -3)[0] == pytest.approx((1 - depth) * bright, abs=0.01)
    assert at(picture, 3)[0] == pytest.approx(bright, abs=0.01)  # nothing is above it


def test_what_is_nearer_hides_what_is_farther(rasteriser):
    far, near = square(0, 0, 6, grey=255), square(0, 5, 2, grey=0)

    one, other = (draw(rasteriser, *order, lighting=lit()) for order in ((far, near), (near, far)))

    assert np.array_equal(one, other)
    assert at(one, 0)[0] == 0
    assert at(one, 4)[0] == 1


def test_two_in_a_process_do_not_disturb_each_other(rasteriser):
    other = Rasteriser(32)
    first = draw(rasteriser, square(0, 0, 5), lighting=lit())
    draw(other, square(5, 0, 1, grey=9), lighting=lit())
    places, normals, _ = square(0, 0, 5)

    again = rasteriser.draw(places, normals, view=VIEW, eye=EYE, shadow_view=VIEW, lighting=lit())
    other.close()

    assert np.array_equal(again, first)


def test_a_mesh_must_be_taken_first(rasteriser):
    with pytest.raises(RuntimeError, match="no mesh"):
        rasteriser.draw(*square(0, 0, 1)[:2], view=VIEW, eye=EYE, shadow_view=VIEW, lighting=lit())


def test_a_machine_without_opengl_is_told_what_to_install(monkeypatch):
    def fail(**_):
        raise Exception("libEGL.so not loaded")  # noqa: TRY002 — as moderngl does

    monkeypatch.setattr(moderngl, "create_standalone_context", fail)

    with pytest.raises(ModelError, match=r"libEGL\.so not loaded.* apt install libegl1"):
        Rasteriser(16)
