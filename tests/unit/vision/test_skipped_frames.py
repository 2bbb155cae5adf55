import av
import numpy as np
import pytest

from service.vision.frames import Limits, open_video
from service.vision.sampling import Grid
from tests.videos import scene, still, write_video

LIMITS = Limits(max_pixels=2**25, max_duration_s=3600, max_frames=10**6)
STEP_S = 0.2


def read(path, wanted=None, start_s=0.0):
    """The frames that are on display at the grid's instants, how many came in all, and what the reader tells."""
    with open_video(path, LIMITS) as video:
        shown, count = [], 0
        for timed in video.read(start_s, None, wanted):
            count += 1
            if Grid([STEP_S], start_s).falls_in(timed.time_s, timed.until_s):
                shown.append((timed.time_s, timed.until_s, video.upright(timed.frame)))
        return shown, count, (video.frames, video.first_s, video.end_s, video.warnings)


@pytest.fixture(scope="module")
def noisy_frames():
    """4.5 s of a face at 25 frames a second, with a camera's noise."""
    return list(scene([still()], seconds=4.5, size=(160, 120), noise=4))


CODED = [
    {"bf": "3"},
    {"x264-params": "open-gop=1:keyint=12:min-keyint=1:bframes=3"},
    {"x264-params": "tff=1:bframes=3"},
]


@pytest.mark.parametrize("coded", CODED, ids=["b-frames", "open groups", "interlaced"])
@pytest.mark.parametrize("times", [None, [0.04 * index + 0.013 * (index % 3) for index in range(113)]])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_frames_that_nothing_needs_are_left_out_and_the_others_stay_as_they_are(
    tmp_path, noisy_frames, coded, times, suffix
):
    path = write_video(tmp_path / f"v.{suffix}", noisy_frames, times=times, options={"preset": "fast", **coded})

    for start_s in (0.0, 3.2):
        whole, every, told = read(path, start_s=start_s)
        some, fewer, also_told = read(path, Grid([STEP_S], start_s).falls_in, start_s)

        assert fewer < 0.9 * every
        assert also_told == told
        assert [shown[:2] for shown in some] == [shown[:2] for shown in whole]
        assert all((one[2] == other[2]).all() for one, other in zip(some, whole, strict=True))


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx264", "mp4"), ("mjpeg", "avi"), ("mpeg4", "avi"), ("libvpx-vp9", "webm")]
)
def test_where_frames_refer_to_each_other_all_are_read(tmp_path, codec, suffix):
    options = {"bf": "0"} if codec == "libx264" else {}
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    frames = scene([still()], seconds=1, size=(160, 120))
    path = write_video(tmp_path / f"v.{suffix}", frames, codec=codec, pixel_format=pixels, options=options)

    whole, _, told = read(path)
    some, _, also_told = read(path, Grid([STEP_S], 0.0).falls_in)

    assert also_told == told
    assert np.array_equal([shown[:2] for shown in some], [shown[:2] for shown in whole])


def test_joined_recordings_have_the_same_times_and_frames_as_when_all_are_decoded(tmp_path):
    frames = scene([still()], seconds=4, size=(160, 120), noise=4)
    coded = {"x264-params": "bframes=3:b-adapt=0:b-pyramid=none"}
    part = write_video(tmp_path / "part.mkv", frames, fps=24, options=coded)
    joined = tmp_path / "joined.mkv"
    joined.write_bytes(2 * part.read_bytes())

    whole, every, told = read(joined)
    some, fewer, also_told = read(joined, Grid([STEP_S], 0.0).falls_in)

    assert also_told == told == read(joined, Grid([0.08], 0.0).falls_in)[2]
    assert fewer < every
    assert [shown[:2] for shown in some] == [shown[:2] for shown in whole]


def test_where_timestamps_are_those_of_decoding_all_are_read(tmp_path):
    frames = scene([still()], seconds=2, size=(160, 120), noise=4)
    path = write_video(tmp_path / "v.mp4", frames, options={"bf": "3", "preset": "fast"})
    wrong = tmp_path / "wrong.mp4"
    with av.open(str(path)) as whole, av.open(str(wrong), "w") as copy:
        stream = copy.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.pts, packet.stream = packet.dts, stream
                copy.mux(packet)

    _, every, told = read(wrong)
    _, count, also_told = read(wrong, Grid([STEP_S], 0.0).falls_in)

    assert (count, also_told) == (every, told)
