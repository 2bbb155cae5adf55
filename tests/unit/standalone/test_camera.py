from contextlib import contextmanager
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from mien.contract.errors import CannotDecode
from mien.contract.live_messages import LONGEST_GAP_S
from service.standalone import camera
from service.vision.frames import TimedFrame
from tests.videos import picture, still


class Slow:
    """A video of 30 frames a second by default, each of which takes some time to decode."""

    def __init__(self, clock, frames, decode_s, frame_s):
        self.clock = clock
        self.frames = frames
        self.decode_s = decode_s
        self.frame_s = frame_s

    def read(self, *_):
        for index in range(self.frames):
            self.clock[0] += self.decode_s
            yield TimedFrame(index * self.frame_s, (index + 1) * self.frame_s, None)

    def upright(self, _):
        return np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def play(monkeypatch):
    def sent(frames, decode_s, frame_s=1 / 30):
        clock = [0.0]

        @contextmanager
        def open_video(*_, **__):
            yield Slow(clock, frames, decode_s, frame_s)

        monkeypatch.setattr(camera, "open_video", open_video)
        monkeypatch.setattr(camera.time, "monotonic", lambda: clock[0])
        monkeypatch.setattr(camera.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
        return [(time_s, clock[0]) for time_s, _ in camera.pictures("video.mp4")]

    return sent


def test_a_video_is_played_at_its_own_speed_and_not_faster_than_models_need(play):
    sent = play(60, 0.001)

    assert [time_s for time_s, _ in sent] == pytest.approx([2 * index / 30 for index in range(30)])
    assert all(now_s >= time_s for time_s, now_s in sent)


def test_every_frame_of_a_video_that_decodes_slowly_is_sent(play):
    sent = play(20, 6.0)

    assert [time_s for time_s, _ in sent] == pytest.approx([index / 30 for index in range(20)])
    assert max(np.diff([now_s for _, now_s in sent])) == pytest.approx(6.0)


def test_a_picture_that_is_shown_for_long_is_repeated(play):
    sent = play(3, 0.001, 32.0)

    times_s, now_s = np.array(sent).T
    assert np.diff(times_s).min() > 0
    assert {0.0, 32.0, 64.0} <= set(times_s)
    assert max(np.diff(times_s).max(), np.diff(now_s).max()) < LONGEST_GAP_S
    assert (now_s >= times_s).all()


@pytest.mark.parametrize("read", [True, False])
def test_a_camera_without_a_picture_is_an_error(monkeypatch, read):
    class Dark:
        def __init__(self, _):
            self.isOpened = lambda: True
            self.grab = lambda: read
            self.retrieve = lambda: (False, None)
            self.release = lambda: None

    monkeypatch.setattr(camera.cv2, "VideoCapture", Dark)
    with pytest.raises(CannotDecode, match="camera 3 gives no picture"):
        list(camera.pictures("3"))


def test_pictures_of_a_file_are_upright_with_square_pixels_and_of_one_size(tmp_path):
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for index, size in enumerate([(320, 240), (240, 320)]):
            lens = av.CodecContext.create("mjpeg", "w")
            lens.width, lens.height, lens.pix_fmt, lens.time_base = *size, "yuvj420p", Fraction(1, 10)
            lens.sample_aspect_ratio = Fraction(4, 3)
            shown = av.VideoFrame.from_ndarray(picture(0, [still()], size), format="rgb24")
            for packet in lens.encode(shown.reformat(format="yuvj420p")):
                packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 10), index, index
                container.mux(packet)

    sent = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for _, jpeg in camera.pictures(str(path))]

    assert [one.shape for one in sent] == [(240, 427, 3)] * 2
    assert sent[1][:, 0].max() < 40  # fitted in, with black beside it
