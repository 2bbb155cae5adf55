import cv2
import numpy as np
import pytest
import skimage.data

from service.vision.boxes import Box, intersection_over_smaller, iou
from service.vision.faces import _turn, open_detector
from tests.videos import background, picture, shared_yunet, still, turned

SIZE = (480, 270)


@pytest.fixture(scope="module")
def detector():
    return open_detector(None)


def centre(box):
    return box.x + box.w / 2, box.y + box.h / 2


@pytest.mark.parametrize("side", [0.15, 0.25, 0.4, 0.6])
@pytest.mark.parametrize("other", [False, True])
def test_the_detector_finds_a_face_of_any_size_and_is_sure(detector, side, other):
    (found,) = detector(picture(0, [still(side=side, other=other)], SIZE))

    assert found.sure is True
    assert centre(found.box) == pytest.approx((240, 121), abs=0.14 * side * 270)
    assert found.box.w == pytest.approx(side * 270, rel=0.2)


def test_faces_come_largest_first(detector):
    found = detector(picture(0, [still(0.2, side=0.2), still(0.6, side=0.5)], SIZE))

    assert [round(centre(d.box)[0] / 480, 1) for d in found] == [0.6, 0.2]


@pytest.mark.parametrize("name", ["coffee", "rocket", "grass", "gravel", "immunohistochemistry", "hubble_deep_field"])
def test_the_detector_is_not_sure_of_what_is_no_face(detector, name):
    try:
        image = getattr(skimage.data, name)()
    except (OSError, ModuleNotFoundError):  # some pictures are downloaded by the first who asks
        pytest.skip("the picture is not in scikit-image's wheel")
    image = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
    scale = 480 / max(image.shape)
    image = cv2.resize(image[..., :3].copy(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

    assert not any(found.sure for found in detector(image))


@pytest.mark.parametrize("radius", [20, 50, 90])
@pytest.mark.parametrize("colour", [(255, 221, 51), (250, 250, 250), (230, 190, 160)])
def test_the_detector_is_not_sure_of_a_smiley(detector, radius, colour):
    shown = background(320, 240).copy()
    cv2.circle(shown, (160, 120), radius, colour, -1, cv2.LINE_AA)
    for x in (160 - radius * 2 // 5, 160 + radius * 2 // 5):
        cv2.ellipse(shown, (x, 120 - radius // 4), (radius // 8, radius // 5), 0, 0, 360, (90, 50, 20), -1, cv2.LINE_AA)
    mouth = (160, 120 + radius // 10), (radius * 3 // 5, radius // 2)
    cv2.ellipse(shown, *mouth, 0, 15, 165, (90, 50, 20), max(2, radius // 12), cv2.LINE_AA)

    assert not any(found.sure for found in detector(shown))


@pytest.mark.parametrize(("skin", "mouth"), [((235, 190, 160), "lips"), ((120, 80, 55), "lips"), ((235, 190, 160), "")])
def test_the_detector_is_not_sure_of_a_cartoon(detector, skin, mouth):
    shown, radius, ink = background(320, 240).copy(), 50, (50, 30, 20)

    def oval(x, y, size, colour, *, part=(0, 360), line=-1):
        at, axes = (160 + round(x * radius), 120 + round(y * radius)), [round(side * radius) for side in size]
        cv2.ellipse(shown, at, axes, 0, *part, colour, line, cv2.LINE_AA)

    oval(0, -0.15, (1.0, 1.1), (70, 40, 20))
    oval(0, 0, (0.82, 1.0), skin)
    oval(0, -0.55, (0.8, 0.45), (70, 40, 20), part=(180, 360))
    for x in (-0.36, 0.36):
        oval(x, -0.45, (0.2, 0.08), ink, part=(180, 360), line=2)
        oval(x, -0.25, (0.11, 0.18), ink)
    oval(0, 0.2, (0.08, 0.03), ink)
    if mouth:
        oval(0, 0.5, (0.26, 0.11), (190, 60, 60))
    else:
        oval(0, 0.1, (0.55, 0.5), ink, part=(20, 160), line=4)

    found = detector(shown)

    assert found, "only what the network takes for a face is a test"
    assert not any(one.sure for one in found)


@pytest.mark.parametrize("side", [0.15, 0.4])
@pytest.mark.parametrize("spoilt", ["dark", "bright", "smoothed", "compressed"])
def test_a_photograph_without_much_shading_is_no_drawing(detector, spoilt, side):
    shown = picture(0, [still(side=side)], SIZE)
    spoil = {
        "dark": lambda: (shown * 0.15).astype(np.uint8),
        "bright": lambda: np.clip(shown * 1.4 + 20.0, 0, 255).astype(np.uint8),
        "smoothed": lambda: cv2.bilateralFilter(cv2.bilateralFilter(shown, 9, 40, 9), 9, 40, 9),
        "compressed": lambda: cv2.imdecode(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 8])[1], 1),
    }

    (found,) = detector(spoil[spoilt]())

    assert found.sure


def test_the_detector_is_not_sure_of_a_shirt_front(detector):
    shown = background(320, 240).copy()
    shirt = [(80, 200), (80, 80), (134, 40), (160, 80), (186, 40), (240, 80), (240, 200)]
    cv2.fillPoly(shown, [np.array(shirt)], (150, 170, 220))
    cv2.fillPoly(shown, [np.array([(134, 40), (160, 80), (186, 40)])], (220, 180, 150))
    for y in (100, 126, 152, 178):
        cv2.circle(shown, (160, y), 5, (240, 240, 240), -1, cv2.LINE_AA)

    assert not any(found.sure for found in detector(shown))


@pytest.mark.parametrize(
    "size", [(32, 320), (32, 128), (64, 32), (20, 32), (160, 28), (192, 1408), (144, 1056), (1080, 200), (32, 64)]
)
@pytest.mark.parametrize("around", [(), [Box(4, 4, 12, 12)]], ids=["whole", "around"])
def test_a_plain_narrow_picture_has_no_face_however_often_it_is_searched(detector, size, around):
    for level in range(0, 256, 15):
        plain = np.full((*size, 3), level, np.uint8)
        assert detector(plain, around) == []


def test_a_plain_or_tiny_picture_has_no_face(detector):
    assert detector(background(*SIZE)) == []
    for side in (2, 31, 32):
        for _ in range(20):  # the memory that a larger picture has left is not read
            detector(picture(0, [still()], (320, 240)))
            assert detector(np.zeros((side, side, 3), np.uint8)) == []


@pytest.mark.parametrize("other", [False, True])
def test_another_model_of_yunet_draws_the_same_box(detector, other):
    shown = picture(0, [still(other=other)], SIZE)
    (one,), (two,) = detector(shown), open_detector(shared_yunet())(shown)

    assert tuple(one.box) == pytest.approx(tuple(two.box), abs=0.01 * one.box.w)
    assert one.box.w == one.box.h


@pytest.mark.parametrize("other", [False, True])
def test_a_frontal_face_faces_the_camera(detector, other):
    assert [found.facing for found in detector(picture(0, [still(other=other)], SIZE))] == [1]


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
@pytest.mark.parametrize("other", [False, True])
def test_a_head_turned_in_the_picture_is_found_at_its_size(detector, degrees, other):
    shown = picture(0, [still(other=other)], SIZE)
    (upright,) = detector(shown)

    (found,) = detector(turned(shown, degrees, centre(upright.box)))

    assert found.sure
    assert centre(found.box) == pytest.approx(centre(upright.box), abs=0.12 * upright.box.w)
    assert found.box.w == pytest.approx(upright.box.w, rel=0.1)


def test_a_tilted_head_that_is_hard_to_see_is_found_in_a_turned_copy(detector):
    shown = turned(picture(0, [still(other=True)], SIZE), -30, (240, 121))

    (found,) = detector(cv2.GaussianBlur(shown, (0, 0), 3.2))

    assert found.sure
    assert centre(found.box) == pytest.approx((240, 121), abs=15)


@pytest.mark.parametrize("degrees", [-60, -35, -10, 0, 10, 35, 60])
@pytest.mark.parametrize("tilt", [0, 20])
def test_a_turned_head_is_measured_by_half_the_tangent_of_its_angle(degrees, tilt):
    # Eyes, nose and mouth of a head that looks along the last axis; the nose stands out by half the eyes' distance.
    head = np.array([[-1, 1, 0], [1, 1, 0], [0, 0, 1], [-0.8, -1, 0], [0.8, -1, 0]], float)
    turn, lean = np.radians(degrees), np.radians(tilt)
    aside = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    plane = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])

    seen = 30 * (head @ aside.T)[:, :2] @ plane.T + 100

    assert _turn(seen) == pytest.approx(abs(np.tan(turn)) / 2)


def test_around_a_box_only_its_surroundings_are_searched(detector):
    shown = picture(0, [still(0.25, side=0.3), still(0.75, side=0.3, other=True)], SIZE)
    left, right = sorted(detector(shown), key=lambda found: found.box.x)

    (found,) = detector(shown, [right.box])

    assert found.sure
    assert tuple(found.box) == pytest.approx(tuple(right.box), abs=0.1 * right.box.w)
    assert len(detector(shown, [left.box, right.box])) == 2


@pytest.mark.parametrize("degrees", [-40, 40])
def test_a_tilted_head_beside_an_upright_one_is_found(detector, degrees):
    shown = picture(0, [still(0.3, side=0.3)], SIZE)
    (upright,) = detector(shown)
    both = np.where(np.arange(480)[None, :, None] < 240, shown, turned(shown, degrees, centre(upright.box))[:, ::-1])

    assert [found.sure for found in detector(both)] == [True, True]


def test_overlaps_are_measured_by_area():
    a, b = Box(0, 0, 10, 10), Box(5, 0, 10, 20)

    assert iou(a, b) == pytest.approx(50 / 250)
    assert intersection_over_smaller(a, b) == pytest.approx(0.5)
    assert iou(a, Box(20, 20, 5, 5)) == 0
