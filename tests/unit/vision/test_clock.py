from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision.clock import Clock


def test_time_is_zero_at_the_origin():
    clock = Clock(origin_s=5.0, frame_s=0.04)

    assert [clock.time(stamp) for stamp in (5.0, 5.04, 5.2)] == pytest.approx([0.0, 0.04, 0.2])


def test_a_missing_stamp_goes_on_at_the_frame_rate():
    clock = Clock(origin_s=0.0, frame_s=0.04)

    assert [clock.time(stamp) for stamp in (0.0, None, None, 0.3)] == pytest.approx([0.0, 0.04, 0.08, 0.3])


def test_neighbours_in_disorder_do_not_delay_what_follows():
    clock = Clock(origin_s=0.0, frame_s=0.04)

    times = [clock.time(stamp) for stamp in (0.0, 0.08, 0.04, 0.12)]

    assert times == pytest.approx([0.0, 0.08, 0.081, 0.12])


def test_stamps_that_begin_anew_go_on_where_the_first_part_ended():
    clock = Clock(origin_s=0.0, frame_s=0.04)

    times = [clock.time(stamp) for stamp in (0.0, 9.96, 0.0, 0.5)]

    assert times == pytest.approx([0.0, 9.96, 10.0, 10.5])


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=2, max_size=60))
def test_times_strictly_increase_whatever_the_stamps(stamps):
    clock = Clock(origin_s=0.0, frame_s=0.04)

    times = [clock.time(stamp) for stamp in stamps]

    assert all(before < after for before, after in pairwise(times))
