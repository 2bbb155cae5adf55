import numpy as np
import pytest

from mien.contract.errors import CannotDecode
from service.standalone import camera


class Slow:
    """A video of 30 frames a second, each of which takes some time to decode."""

    def __init__(self, clock, frames, decode_s):
        self.clock = clock
        self.frames = frames
        self.decode_s = decode_s
        self.at = -1

    def isOpened(self):  # noqa: N802 - as OpenCV has it
        return True

    def grab(self):
        self.at += 1
        self.clock[0] += self.decode_s
        return self.at < self.frames

    def retrieve(self):
        return True, np.zeros((8, 8, 3), np.uint8)

    def get(self, _):
        return 1000 * self.at / 30

    def release(self):
        pass


@pytest.fixture
def play(monkeypatch, tmp_path):
    path = tmp_path / "video.mp4"
    path.touch()

    def sent(frames, decode_s):
        clock = [0.0]
        monkeypatch.setattr(camera.cv2, "VideoCapture", lambda _: Slow(clock, frames, decode_s))
        monkeypatch.setattr(camera.time, "monotonic", lambda: clock[0])
        monkeypatch.setattr(camera.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
        return [(time_s, clock[0]) for time_s, _ in camera.pictures(str(path))]

    return sent


def test_a_video_is_played_at_its_own_speed_and_not_faster_than_models_need(play):
    sent = play(60, 0.001)

    assert [time_s for time_s, _ in sent] == pytest.approx([2 * index / 30 for index in range(30)])
    assert all(now_s >= time_s for time_s, now_s in sent)


def test_every_frame_of_a_video_that_decodes_slowly_is_sent(play):
    sent = play(20, 6.0)

    assert [time_s for time_s, _ in sent] == pytest.approx([index / 30 for index in range(20)])
    assert max(np.diff([now_s for _, now_s in sent])) == pytest.approx(6.0)


def test_a_video_without_a_picture_is_an_error(play):
    with pytest.raises(CannotDecode, match=r"video\.mp4 gives no picture"):
        play(0, 0.1)
