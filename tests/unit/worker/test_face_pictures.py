"""The small pictures of faces that an analysis keeps on request."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from service.vision.clips import Clip
from service.worker.face_pictures import FacePictures


def clip(track: int, start_s: float, *, spec: int = 0, red: int = 0) -> Clip:
    pixels = np.zeros((4, 112, 112, 3), np.uint8)
    pixels[2, ..., 0] = red
    box = (0.0, 0.0, 9.0, 9.0)
    return Clip(
        track=track, spec=spec, start_s=start_s, end_s=start_s + 0.5, frames=4, quality=1.0, box=box, pixels=pixels
    )


def test_a_picture_shows_the_middle_of_a_clip_in_its_colours():
    pictures = FacePictures()
    pictures.add(clip(0, 1.0, red=200))

    (one,) = pictures.of(0)
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(one.jpeg), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert one.time_s == 1.25
    assert shown.shape == (96, 96, 3)
    assert np.abs(shown.astype(int) - (200, 0, 0)).max() < 12


def test_there_is_one_a_second_of_each_face_and_of_the_first_bundle_only():
    pictures = FacePictures()
    for step in range(10):
        for track in (0, 1):
            pictures.add(clip(track, 0.25 * step))
            pictures.add(clip(track, 0.25 * step, spec=1))

    assert [one.time_s for one in pictures.of(0)] == [0.25, 1.25, 2.25]
    assert pictures.of(1) == pictures.of(0)
    assert pictures.of(2) == []


def test_a_long_video_and_a_crowd_have_no_more_pictures_than_others():
    long = FacePictures()
    for second in range(3600):
        long.add(clip(0, second))
    times = [one.time_s for one in long.of(0)]
    assert 100 < len(times) <= 240
    assert times[0] < 60
    assert times[-1] > 3500

    crowd = FacePictures()
    for track in range(400):
        crowd.add(clip(track, 10 * track))
    assert sum(len(crowd.of(track)) for track in range(400)) == 240
