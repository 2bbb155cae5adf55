import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision.windows import ClipSpec, Windower


def spec(frames=4, interval_s=0.1, hop_s=0.2, size=8):
    return ClipSpec(frames=frames, interval_s=interval_s, size=size, margin=0.2, hop_s=hop_s)


def crop(index, size=8):
    return np.full((size, size, 3), index % 251, np.uint8)


def clips_of(samples, wanted, end_s=None):
    windower = Windower(3, 1, wanted)
    clips = []
    for index in range(samples):
        clips += windower.push(index * wanted.interval_s, crop(index), index / 10, (index, 0, 9, 9))
    return clips + list(windower.finish(samples * wanted.interval_s if end_s is None else end_s))


def test_windows_start_every_hop_and_the_last_ends_with_the_last_sample():
    clips = clips_of(9, spec())

    assert [clip.pixels[:, 0, 0, 0].tolist() for clip in clips] == [
        [0, 1, 2, 3],
        [2, 3, 4, 5],
        [4, 5, 6, 7],
        [5, 6, 7, 8],
    ]
    assert [(clip.track, clip.spec, clip.frames) for clip in clips] == [(3, 1, 4)] * 4
    assert [clip.box[0] for clip in clips] == [3, 5, 7, 8]  # of the last sample


def test_a_window_comes_out_with_the_first_sample_after_it():
    windower = Windower(0, 0, spec())

    came = [len(list(windower.push(index * 0.1, crop(index), 1.0, (0, 0, 9, 9)))) for index in range(7)]

    assert came == [0, 0, 0, 0, 1, 0, 1]


def test_a_clip_ends_one_interval_after_its_last_sample_but_never_after_the_face():
    assert [clip.end_s for clip in clips_of(6, spec(), end_s=0.53)] == pytest.approx([0.4, 0.53])


def test_a_short_life_gives_one_clip_that_repeats_its_last_crop_and_says_so():
    (clip,) = clips_of(2, spec())

    assert clip.frames == 2
    assert clip.pixels[:, 0, 0, 0].tolist() == [0, 1, 1, 1]
    assert (clip.start_s, clip.end_s) == (0.0, pytest.approx(0.2))


def test_the_quality_of_a_clip_is_the_mean_of_its_real_samples():
    assert [clip.quality for clip in clips_of(6, spec())] == pytest.approx([0.15, 0.35])
    assert [clip.quality for clip in clips_of(2, spec())] == pytest.approx([0.05])


def test_no_sample_no_clip():
    assert clips_of(0, spec()) == []


def test_a_hop_is_rounded_to_the_grid_and_is_one_sample_at_least():
    assert spec(hop_s=0.01).hop == 1
    assert spec(hop_s=0.26).hop == 3
    assert ClipSpec(frames=16, interval_s=0.08, size=8, margin=0.2, hop_s=0.5).hop == 6


@given(samples=st.integers(0, 70), frames=st.integers(1, 20), hop=st.integers(1, 20))
def test_windows_cover_every_sample_with_the_right_length_and_hop(samples, frames, hop):
    hop = min(hop, frames)  # a longer one is asked to leave samples out
    clips = clips_of(samples, spec(frames=frames, interval_s=0.1, hop_s=hop * 0.1))

    starts = [round(clip.start_s / 0.1) for clip in clips]
    covered = {start + i for start, clip in zip(starts, clips, strict=True) for i in range(clip.frames)}
    assert covered == set(range(samples))
    assert all(clip.pixels.shape == (frames, 8, 8, 3) for clip in clips)
    assert all(clip.frames == min(frames, samples) for clip in clips)
    steps = np.diff(starts)
    assert all(step == hop for step in steps[:-1])
    assert all(0 < step <= hop for step in steps[-1:])


def peak_of(samples, wanted):
    windower = Windower(0, 0, wanted)
    tracemalloc.start()
    for index in range(samples):
        for clip in windower.push(index * wanted.interval_s, crop(index, wanted.size), 1.0, (0, 0, 9, 9)):
            del clip
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_length_of_a_life():
    wanted = spec(frames=16, interval_s=0.08, hop_s=0.5, size=112)

    ten, sixty = peak_of(125, wanted), peak_of(750, wanted)

    assert sixty < 1.1 * ten
