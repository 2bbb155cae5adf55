"""Crops from a frame's planes, compared with crops from all of it in RGB."""

import av
import numpy as np
import pytest

from service.vision.crop import cut_out
from service.vision.faces import Box
from service.vision.picture import FramePictures, Upright
from tests.videos import picture, still


def frame_of(size, pixels):
    """A frame of a face in some pixel format, with its colours declared."""
    frame = av.VideoFrame.from_ndarray(picture(0, [still()], size), format="rgb24")
    return frame if pixels == "rgb24" else frame.reformat(format=pixels)


@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12", "gray", "rgb24"]
)
@pytest.mark.parametrize("size", [(640, 480), (162, 122)])
def test_a_crop_is_what_the_whole_frame_shows_there(pixels, size):
    frame = frame_of(size, pixels)
    upright = Upright(frame)
    small = FramePictures(upright, frame)
    scale = small.small.shape[1] / size[0]
    box = Box(*(value * scale for value in (0.37 * size[0], 0.27 * size[1], 0.33 * size[1], 0.33 * size[1])))

    crop = small.cut_out(box, margin=0.1, size=112)

    reference = cut_out(upright(frame), Box(*(value / scale for value in box)), margin=0.1, size=112)
    assert crop.shape == (112, 112, 3)
    assert np.abs(crop.astype(int) - reference).mean() < 2


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("aspect", [1.0, 4 / 3])
def test_a_turned_or_stretched_frames_crop_is_upright(turns, mirrored, aspect):
    frame = frame_of((480, 360), "yuv420p")
    upright = Upright(frame, aspect, turned=(turns, mirrored))
    whole, pictures = upright(frame), FramePictures(upright, frame)
    scale = max(whole.shape) / max(pictures.small.shape)
    height, width = pictures.small.shape[:2]
    box = Box(0.3 * width, 0.35 * height, 80, 80)

    crop = pictures.cut_out(box, margin=0, size=60)

    reference = cut_out(whole, Box(*(value * scale for value in box)), margin=0, size=60)
    assert np.abs(crop.astype(int) - reference).mean() < 2


def test_a_crop_beyond_the_frame_repeats_its_edge():
    frame = frame_of((640, 480), "yuv420p")

    crop = FramePictures(Upright(frame), frame).cut_out(Box(-200, -150, 100, 100), margin=0, size=32)

    assert np.ptp(crop.reshape(-1, 3), axis=0).max() <= 2


def test_no_pixel_of_a_frame_is_copied_before_it_is_asked_for():
    frame = frame_of((640, 480), "yuv420p")

    upright = Upright(frame, turned=(1, False))
    planes = upright.turned(upright.stored(frame))

    assert planes.luma.shape == (640, 480)
    assert not planes.luma.flags.owndata
    assert all(not plane.flags.owndata for plane in planes.chroma)
