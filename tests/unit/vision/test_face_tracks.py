import numpy as np
import pytest

from service.vision.boxes import Box
from service.vision.face_tracks import FaceSample, FaceSeen, TrackBuffer
from service.vision.windows import Clip, ClipSpec

SPECS = [ClipSpec(frames=4, interval_s=0.1, size=4, margin=0, hop_s=0.2)]


def sample(index, interval_s=0.1):
    time_s = index * interval_s
    crop = np.full((4, 4, 3), index % 251, np.uint8)
    return FaceSample(time_s, time_s + 0.04, Box(index, 2, 3, 4), index / 10, {0: crop})


def grown(count, *, number_from, seen):
    """A person of `count` samples: numbered from one sample on, detected in those that `seen` names."""
    person = TrackBuffer(SPECS)
    events = []
    for index in range(count):
        number = 5 if index >= number_from else None
        events += person.add(sample(index), number, seen=index in seen)
    return person, events


def test_nothing_comes_out_before_the_person_has_its_number_and_then_all_of_it():
    _, before = grown(8, number_from=8, seen=range(8))
    _, after = grown(9, number_from=8, seen=range(9))

    assert before == []
    assert [clip.start_s for clip in after] == pytest.approx([0.0, 0.2, 0.4])
    assert [clip.quality for clip in after] == pytest.approx([0.15, 0.35, 0.55])
    assert {clip.track for clip in after} == {5}


def test_what_was_never_a_person_leaves_nothing():
    person, events = grown(8, number_from=8, seen=range(8))

    assert events == []
    assert list(person.finish(None, seen=True, gone=True, end_s=1.0)) == []


def test_samples_that_no_detection_follows_are_dropped():
    person, events = grown(9, number_from=0, seen=(0, 2, 5))

    events += person.finish(5, seen=False, gone=True, end_s=0.9)

    *clips, face = events
    assert face.samples == 6
    assert face.end_s == pytest.approx(0.54)  # the last certain frame is on display up to then
    assert clips[-1].pixels[:, 0, 0, 0].tolist() == [2, 3, 4, 5]
    assert clips[-1].end_s == pytest.approx(0.54)


def test_samples_between_two_detections_are_kept():
    person, events = grown(9, number_from=0, seen=(0, 8))

    *_, face = [*events, *person.finish(5, seen=True, gone=False, end_s=0.9)]

    assert (face.samples, face.start_s, face.end_s) == (9, 0.0, 0.9)


def test_a_face_that_is_there_to_the_end_lasts_to_the_end():
    person, events = grown(4, number_from=0, seen=range(4))

    clip, face = [*events, *person.finish(5, seen=True, gone=False, end_s=0.37)]

    assert isinstance(clip, Clip)
    assert isinstance(face, FaceSeen)
    assert clip.end_s == face.end_s == 0.37


def test_a_number_that_comes_with_the_end_is_in_time():
    person, events = grown(3, number_from=3, seen=range(3))

    clip, face = person.finish(5, seen=True, gone=False, end_s=0.3)

    assert events == []
    assert (clip.frames, face.samples) == (3, 3)


@pytest.mark.parametrize("interval_s", [0.01, 0.04, 0.08, 0.16, 0.2])
def test_a_path_has_five_points_a_second_and_not_many_more(interval_s):
    person = TrackBuffer(SPECS)
    count = round(4 / interval_s)
    for index in range(count):
        list(person.add(sample(index, interval_s), 0, seen=True))

    *_, face = person.finish(0, seen=True, gone=False, end_s=4.0)

    times = [point.time_s for point in face.path]
    assert times[0] == 0
    assert times[-1] == pytest.approx((count - 1) * interval_s)
    assert max(np.diff(times)) <= 0.2 + 1e-9
    assert len(times) <= 42
    assert face.path[-1][1:] == (count - 1, 2, 3, 4)


def test_crops_are_held_back_for_a_moment_only():
    person = TrackBuffer(SPECS)

    for index in range(2000):
        list(person.add(sample(index), 0, seen=index % 10 == 0))
        assert len(person._held) <= 10
