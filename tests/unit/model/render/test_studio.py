from dataclasses import replace

import av
import numpy as np
import pytest

from model.errors import ModelError
from model.render.rasterise import Lighting
from model.render.scenes import _camera
from model.render.studio import FPS, FRAMES, Studio, _seen_at, write_clip
from tests.unit.model.data.conftest import full_disk


def test_the_same_seed_and_number_give_the_same_clip(studio, head):
    first = studio.clip(1, 0)
    studio.clip(1, 1)

    again = studio.clip(1, 0)
    elsewhere = Studio(head)
    fresh = elsewhere.clip(1, 0)
    elsewhere.close()

    for other in (again, fresh):
        assert np.array_equal(first.frames, other.frames)
        assert np.array_equal(first.behaviour.units, other.behaviour.units)
        assert first.quality == other.quality


def test_other_numbers_and_seeds_give_other_people(studio):
    one, two, three = (studio.clip(*which).behaviour for which in ((1, 0), (1, 1), (2, 0)))

    assert not np.array_equal(one.turns, two.turns)
    assert not np.array_equal(one.turns, three.turns)


@pytest.mark.parametrize("number", range(4))
def test_a_clip_moves_and_is_neither_black_nor_white(studio, number):
    clip = studio.clip(3, number)

    times, height, width, channels = clip.frames.shape
    assert (times, channels) == (FRAMES, 3)
    assert height == width
    assert height in (112, 144, 192)
    assert clip.frames.dtype == np.uint8
    assert len(clip.behaviour.units) == FRAMES
    assert clip.frames.std() > 15
    assert np.abs(clip.frames[-1].astype(int) - clip.frames[0]).mean() > 0.5


def test_landmarks_are_where_the_rasteriser_draws_them(rasteriser):
    place, eye = np.array([3.0, -2.0, 1.0], np.float32), np.array([0, 0, 60], np.float32)
    view = _camera(eye, 4.0, 0.2, np.array([0.3, -0.2]))
    spot = place + np.array([(-0.4, -0.4, 0), (0.4, -0.4, 0), (0, 0.4, 0)], np.float32)
    light = Lighting(*(np.ones(shape, np.float32) for shape in ((3, 3), (3, 3), 3, 3)), softness=0, shadow_depth=0)
    rasteriser.take(np.full((3, 4), 255, np.uint8), np.array([[0, 1, 2]]), np.array([[0, 1, 2]]))

    drawn = rasteriser.draw(spot, np.ones_like(spot), view=view, eye=eye, shadow_view=view, lighting=light)

    rows, columns = np.nonzero(drawn[..., 3])
    right, down = _seen_at(place[None, None], view[None])[0, 0] * len(drawn)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((right, down), abs=1)
    assert abs(right - down) > 5


def test_landmarks_move_with_the_face(studio):
    clip = studio.clip(3, 1)

    assert clip.landmarks.shape == (FRAMES, 68, 2)
    assert 0 < clip.landmarks.mean() < 1
    assert np.abs(np.diff(clip.landmarks, axis=0)).max() > 1e-3


def test_a_written_clip_has_its_frames_at_its_rate(studio, tmp_path):
    clip = studio.clip(1, 2)

    write_clip(clip, tmp_path / "clip.mp4")

    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        frames = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
        assert stream.average_rate == FPS
    assert [time for time, _ in frames] == pytest.approx([index / 12.5 for index in range(FRAMES)])
    shown = np.stack([picture for _, picture in frames])
    assert shown.shape == clip.frames.shape
    assert np.abs(shown.astype(int) - clip.frames).mean() < 12


def test_a_head_that_lacks_a_shape_is_refused(head):
    names = tuple("frown" if name == "jawOpen" else name for name in head.names)

    with pytest.raises(ModelError, match=r"The head lacks expression shapes: jawOpen\."):
        Studio(replace(head, names=names))


def test_a_full_disk_is_one_sentence_and_leaves_no_part_of_a_clip(studio, tmp_path):
    target = tmp_path / "clip.mp4"

    with full_disk(2000), pytest.raises(ModelError, match=f"^{target} cannot be written: File too large"):
        write_clip(studio.clip(1, 2), target)

    assert list(tmp_path.iterdir()) == []
