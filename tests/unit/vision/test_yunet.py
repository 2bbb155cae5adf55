import cv2
import numpy as np
import onnx
import pytest

from mien.contract.errors import Misconfigured
from service.vision.faces import MODEL
from service.vision.yunet import YuNet
from tests.videos import background, picture, still


@pytest.fixture(scope="module")
def yunet():
    return YuNet(MODEL)


def by_opencv(shown):
    height, width = shown.shape[:2]
    net = cv2.FaceDetectorYN.create(
        "onnx", np.fromfile(MODEL, np.uint8), np.zeros(0, np.uint8), (width, height), 0.6, 0.3
    )
    return net.detect(cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))[1]


@pytest.mark.parametrize("size", [(320, 192), (480, 270), (131, 77), (64, 300)])
@pytest.mark.parametrize("other", [False, True])
def test_it_finds_what_opencv_finds_with_the_same_network(yunet, size, other):
    shown = picture(0, [still(0.25, side=0.3), still(0.75, side=0.3, other=other)], size)

    found = yunet(shown)

    expected = by_opencv(shown)
    assert len(found) == len(expected) > 0
    for one, row in zip(found, expected, strict=True):
        assert [*one.box, *one.points.ravel(), one.score] == pytest.approx(row.tolist(), abs=0.01)


def test_one_face_is_found_once_and_the_surest_comes_first(yunet):
    shown = picture(0, [still(0.25, side=0.5), still(0.75, side=0.1)], (640, 360))

    found = yunet(shown)

    assert len(found) == 2
    assert found[0].score > found[1].score
    assert found[0].box[0] < found[1].box[0]


@pytest.mark.parametrize("side", [1, 2, 31, 32, 33])
def test_a_tiny_picture_has_no_face(yunet, side):
    assert yunet(background(320, 240)[:side, :side].copy()) == []


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_model_that_cannot_be_loaded_is_the_operators_error(tmp_path, content):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(Misconfigured, match=r"model\.onnx"):
        YuNet(path)


def test_a_model_for_pictures_of_one_size_is_the_operators_error(tmp_path):
    model = onnx.load(MODEL)
    for place in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = 640
    onnx.save(model, tmp_path / "fixed.onnx")

    with pytest.raises(Misconfigured, match=r"fixed\.onnx .* any size"):
        YuNet(tmp_path / "fixed.onnx")
