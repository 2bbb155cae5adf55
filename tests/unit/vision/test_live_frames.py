"""Frames as they come: decoded, and clipped as a file's are."""

import struct

import av
import cv2
import numpy as np
import pytest

from mien.contract.errors import BadFrame, BadTime, TooManyPixels
from mien.contract.live_messages import Encoding, LiveFrame
from service.vision.clips import Clip, ClipSpec, FaceSeen, Limits, Progressed, VideoEnded, read_clips, watch_clips
from service.vision.faces import open_detector
from service.vision.live_frames import LiveFrames
from tests.unit.vision.exif import jpeg, with_exif
from tests.videos import picture, scene, still, write_video

SPEC = ClipSpec(frames=4, interval_s=0.08, size=64, margin=0.2, hop_s=0.2)
PIXELS = 10**6


def encoded(pixels, encoding, time_s=0.0):
    """A frame of RGB pixels."""
    if encoding is Encoding.RGB:
        return LiveFrame(time_s, encoding, pixels.tobytes(), pixels.shape[1], pixels.shape[0])
    if encoding is Encoding.JPEG:
        return LiveFrame(time_s, encoding, jpeg(pixels))
    return LiveFrame(time_s, encoding, cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes())


def decode(*frames, max_pixels=PIXELS):
    """The pictures of live frames."""
    live = LiveFrames(frames, max_pixels)
    return [live.upright(timed.frame) for timed in live.read()]


def watch(frames):
    return list(watch_clips(frames, [SPEC], detector=open_detector(None), max_pixels=PIXELS, faces=4))


@pytest.mark.parametrize(("encoding", "apart"), [(Encoding.JPEG, 2), (Encoding.PNG, 0), (Encoding.RGB, 0)])
def test_a_frame_is_decoded_to_its_colours(encoding, apart):
    pixels = picture(0.0, [still()])

    [decoded] = decode(encoded(pixels, encoding))

    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).mean() <= apart


JPEG = encoded(picture(0.0, [still()]), Encoding.JPEG).content
PNG = encoded(picture(0.0, [still()]), Encoding.PNG).content


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        (Encoding.JPEG, b"no picture at all"),
        (Encoding.JPEG, b""),
        (Encoding.JPEG, PNG),
        (Encoding.JPEG, JPEG[:300]),
        (Encoding.PNG, PNG[: len(PNG) // 2]),
        (Encoding.PNG, JPEG),
        (Encoding.RGB, b""),
        (Encoding.RGB, bytes(100)),
    ],
)
def test_what_is_no_picture_is_a_bad_frame(encoding, content):
    with pytest.raises(BadFrame):
        decode(LiveFrame(1.5, encoding, content, 10, 10))


@pytest.mark.parametrize("encoding", Encoding)
def test_a_frame_with_too_many_pixels_is_refused_before_it_is_decoded(encoding):
    with pytest.raises(TooManyPixels, match="1000 pixels"):
        decode(encoded(picture(0.0, []), encoding), max_pixels=1000)


def exif_frame(upright, orientation, time_s=0.0, order=">"):
    """A JPEG frame with EXIF data."""
    return LiveFrame(time_s, Encoding.JPEG, with_exif(upright, orientation, order))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_as_its_exif_data_says(orientation, order):
    upright = picture(0.0, [still()])

    [decoded] = decode(exif_frame(upright, orientation, order=order))

    assert decoded.shape == upright.shape
    assert np.abs(decoded.astype(int) - upright).mean() <= 2


def test_each_frame_is_turned_by_its_own_exif_data():
    upright = picture(0.0, [still()])

    shown = decode(*(exif_frame(upright, k + 1, time_s=k) for k in (0, 2, 1)))

    assert all(np.abs(decoded.astype(int) - upright).mean() <= 2 for decoded in shown)


def test_exif_data_that_breaks_off_turns_nothing():
    whole = with_exif(picture(0.0, []), 6)
    exif = whole.index(b"Exif")
    for length in (0, 6, 8, 14, 20, 30):
        app1 = b"\xff\xe1" + struct.pack("!H", length + 2) + whole[exif : exif + length]
        [decoded] = decode(LiveFrame(0.0, Encoding.JPEG, JPEG[:2] + app1 + JPEG[2:]))
        assert decoded.shape == (240, 320, 3)


def test_a_time_below_zero_is_a_bad_time():
    with pytest.raises(BadTime, match=r"-0\.5 s"):
        encoded(picture(0.0, []), Encoding.JPEG, -0.5)


def test_frames_have_one_size():
    first, other = (encoded(picture(0.0, [], size), Encoding.JPEG) for size in ((320, 240), (160, 120)))

    with pytest.raises(BadFrame, match="160 × 120 pixels, the first had 320 × 240"):
        decode(first, other)


def test_live_frames_give_the_clips_that_a_file_of_them_gives(tmp_path):
    path = write_video(tmp_path / "face.mp4", scene([still()], seconds=2.0, fps=25.0))
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    limits = Limits(max_pixels=PIXELS, max_duration_s=10, max_frames=100)
    file = list(read_clips(path, [SPEC], detector=open_detector(None), limits=limits, faces=4))

    live = watch([encoded(pixels, Encoding.PNG, 128 + k / 25) for k, pixels in enumerate(shown)])

    clips, filed = ([event for event in events if isinstance(event, Clip)] for events in (live, file))
    assert [clip.start_s - 128 for clip in clips] == pytest.approx([clip.start_s for clip in filed])
    assert len(clips) > 5
    assert np.abs(clips[3].pixels.astype(int) - filed[3].pixels).mean() < 1
    assert [event.track for event in live if isinstance(event, FaceSeen)] == [0]


def test_each_frame_is_told_and_its_clips_come_before_the_next_is_asked_for():
    happened = []

    def frames():
        for k, pixels in enumerate(scene([still()], seconds=1.2, fps=15.0)):
            happened.append("asked")
            yield encoded(pixels, Encoding.JPEG, k / 15)

    happened.extend(
        type(event) for event in watch_clips(frames(), [SPEC], detector=open_detector(None), max_pixels=PIXELS, faces=4)
    )

    assert happened.count("asked") == happened.count(Progressed) == 18
    assert happened.index(Clip) < len(happened) - happened[::-1].index("asked") - 1
    assert happened[-1] is VideoEnded


def test_no_frames_are_no_trouble():
    (ended,) = watch([])

    assert (ended.frames, ended.samples, ended.width) == (0, 0, 0)
