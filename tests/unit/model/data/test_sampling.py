from functools import partial

import numpy as np
import pytest

from model.data.media import open_media
from model.data.prepared import Region
from model.data.sampling import Sampling
from service.vision.boxes import Box
from service.vision.clips import Clip, ClipSpec, read_clips
from service.vision.faces import Detection
from service.vision.frames import Limits
from tests.unit.model.data.conftest import numbered, numbers
from tests.videos import portrait, write_video

SAMPLING = Sampling(frames=4, interval_s=0.08, size=32, region=None)


@pytest.fixture
def opened(tmp_path):
    return partial(open_media, write_video(tmp_path / "clip.mp4", numbered(25)), None)


def test_views_begin_with_the_clip_and_end_with_it(opened):
    first, last = (SAMPLING.take(opened, partial(SAMPLING.view_start_s, share=share)) for share in (0, 1))

    assert numbers(first) == [0, 2, 4, 6]
    assert numbers(last) == [18, 20, 22, 24]


def test_the_views_are_the_first_and_the_last_window_that_are_served(tmp_path):
    pictures = [portrait()[:64, :64] // 2 + 2 * index for index in range(29)]
    path = write_video(tmp_path / "clip.mp4", pictures)

    def everywhere(picture, around=()):
        return [Detection(Box(0, 0, picture.shape[1], picture.shape[0]), sure=True)]

    spec = ClipSpec(frames=4, interval_s=0.08, size=64, margin=0, hop_s=0.08)
    limits = Limits(max_pixels=10**6, max_duration_s=60, max_frames=10**4)
    events = list(read_clips(path, [spec], detector=everywhere, limits=limits, faces=1))
    served = [event.pixels.astype(float) for event in events if isinstance(event, Clip)]

    sampling = Sampling(frames=4, interval_s=0.08, size=64, region=None)
    opened = partial(open_media, path, None)
    first, last = (sampling.take(opened, partial(sampling.view_start_s, share=share)) for share in (0, 1))

    assert len(served) == 12
    assert np.abs(first - served[0]).mean() < 0.5  # a frame sooner or later differs by 2
    assert np.abs(last - served[-1]).mean() < 0.5


def test_starts_stay_within_the_clip():
    assert SAMPLING.start_s(1.0, share=0) == 0
    assert SAMPLING.start_s(1.0, share=0.5) == pytest.approx((1 - 4 * 0.08) / 2)
    assert SAMPLING.start_s(1.0, share=1) == pytest.approx(1 - 4 * 0.08)
    assert SAMPLING.start_s(0.1, share=1) == 0


def test_a_clip_shorter_than_it_says_is_measured(opened):
    said = []

    def start(duration_s):
        said.append(round(duration_s, 2))
        return 5.0 if len(said) == 1 else 0.5

    assert numbers(SAMPLING.take(opened, start)) == [12, 14, 16, 18]
    assert said == [1.0, 1.0]


def test_a_clip_that_does_not_say_how_long_it_is_is_measured(tmp_path):
    live = write_video(tmp_path / "clip.mkv", numbered(25), container_options={"live": "1"})
    opened = partial(open_media, live, None)
    with opened() as media:
        assert media.duration_s is None

    assert numbers(SAMPLING.take(opened, partial(SAMPLING.view_start_s, share=1))) == [18, 20, 22, 24]


def test_the_region_is_cut_out_first(tmp_path):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[8:40, 16:48] = 200
    video = write_video(tmp_path / "clip.mp4", [picture] * 5)
    sampling = Sampling(4, 0.08, 32, Region(left=16, top=8, width=32, height=32))

    taken = sampling.take(partial(open_media, video, None), lambda _: 0.0)

    assert taken.shape == (4, 32, 32, 3)
    assert taken[:, 2:-2, 2:-2].min() > 190


@pytest.mark.parametrize("size", [16, 32, 64])
def test_other_shapes_give_their_middle_square(tmp_path, size):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 200
    video = write_video(tmp_path / "clip.mp4", [wide] * 5)

    taken = Sampling(2, 0.08, size, None).take(partial(open_media, video, None), lambda _: 0.0)

    assert taken.shape == (2, size, size, 3)
    assert taken[:, :, size // 8 : -size // 8].min() > 180


def test_pictures_that_are_not_square_are_cut_to_their_middle_or_squeezed():
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :10] = 255  # only squeezing keeps the left quarter

    middle, squeezed = (
        Sampling(frames=1, interval_s=1, size=20, region=None, fit=fit).fitted(picture) for fit in ("middle", "squeeze")
    )

    assert middle.shape == squeezed.shape == (20, 20, 3)
    assert middle.max() == 0
    assert (squeezed[:, :5] == 255).all()
    assert squeezed[:, 5:].max() == 0
