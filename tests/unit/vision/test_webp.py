"""Animated WebPs, written by OpenCV, read as videos."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mien.contract.errors import CannotDecode, TooLong, TooManyPixels
from service.vision import webp
from service.vision.formats import uploads_with
from service.vision.frames import Limits, open_video

LIMITS = Limits(max_pixels=10**6, max_duration_s=60, max_frames=100)
WEBP = uploads_with(["webp"])


def gray(index):
    return np.full((48, 64, 3), 20 + 8 * index, np.uint8)


def animated(path, durations_ms):
    animation = cv2.Animation()
    animation.frames = [gray(index) for index in range(len(durations_ms))]
    animation.durations = np.array(durations_ms, np.int32)
    assert cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, 100])
    return path


def read(path, limits=LIMITS):
    with open_video(path, limits, WEBP) as video:
        shown = [(s.time_s, s.until_s, round((video.upright(s.frame).mean() - 20) / 8)) for s in video.read(0.0, None)]
    return shown, video


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_each_picture_is_shown_for_its_own_duration(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(webp, "_CHUNK_PIXELS", chunk * 48 * 64)

    shown, video = read(animated(tmp_path / "v.webp", [40, 100, 250, 40, 70, 300]))

    times = np.cumsum([0, 0.04, 0.1, 0.25, 0.04, 0.07, 0.3])
    assert [index for *_, index in shown] == list(range(6))
    assert [time_s for time_s, *_ in shown] == pytest.approx(times[:-1])
    assert [until_s for _, until_s, _ in shown] == pytest.approx(times[1:])
    assert (video.opened.width, video.opened.height) == (64, 48)


def test_the_limits_of_videos_are_those_of_animations(tmp_path):
    path = animated(tmp_path / "v.webp", [40] * 6)

    with pytest.raises(TooManyPixels, match="64 × 48"):
        read(path, replace(LIMITS, max_pixels=1000))
    with pytest.raises(TooLong, match="5 frames"):
        read(path, replace(LIMITS, max_frames=5))
    with pytest.raises(TooLong, match=r"0\.1 s"):
        read(path, replace(LIMITS, max_duration_s=0.1))


def test_a_still_or_damaged_webp_is_refused(tmp_path):
    still, damaged = tmp_path / "still.webp", tmp_path / "damaged.webp"
    head = b"WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x3f\x00\x00\x2f\x00\x00"
    plain = cv2.imencode(".webp", gray(1), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()[12:]
    still.write_bytes(b"RIFF" + (len(head) + len(plain)).to_bytes(4, "little") + head + plain)
    damaged.write_bytes(animated(tmp_path / "v.webp", [40] * 6).read_bytes()[:80])

    for path in (still, damaged):
        with pytest.raises(CannotDecode, match="cannot be read as an animation"):
            read(path)
