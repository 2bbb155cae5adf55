from dataclasses import dataclass
from itertools import pairwise

import pytest

from service.vision.sampling import LONGEST_STEP_S, Grid


def instants(grid, end_s):
    return [(round(instant.time_s, 6), instant.specs) for instant in grid.until(end_s)]


def test_a_grid_starts_where_it_is_told_and_stops_before_the_end():
    assert instants(Grid([0.2], 1.0), 1.6) == [(1.0, (0,)), (1.2, (0,)), (1.4, (0,))]


def test_each_instant_is_given_once():
    grid = Grid([0.1], 0.0)

    assert instants(grid, 0.2) == [(0.0, (0,)), (0.1, (0,))]
    assert instants(grid, 0.2) == []
    assert instants(grid, 0.4) == [(0.2, (0,)), (0.3, (0,))]


def test_grids_are_merged_and_common_times_are_one_instant():
    assert instants(Grid([0.08, 0.16], 0.0), 0.3) == [(0.0, (0, 1)), (0.08, (0,)), (0.16, (0, 1)), (0.24, (0,))]


def test_a_time_that_meets_a_frames_start_belongs_to_that_frame_in_spite_of_rounding():
    grid = Grid([0.08], 0.0)

    assert len(instants(grid, 3 * 0.08 + 1e-9)) == 3


def test_faces_are_followed_often_enough_where_every_spec_is_slow():
    found = instants(Grid([0.5], 0.0), 1.01)

    assert [time for time, specs in found if specs] == [0.0, 0.5, 1.0]
    assert max(b - a for (a, _), (b, _) in pairwise(found)) <= LONGEST_STEP_S + 1e-9


def test_times_do_not_drift_over_an_hour():
    *_, last = Grid([0.08], 0.0).until(3600.0)

    assert last.time_s == pytest.approx(3599.92, abs=1e-6)


@dataclass(frozen=True)
class Frame:
    time_s: float
    until_s: float


def test_looks_give_the_frame_on_display_at_each_instant():
    frames = [Frame(0.0, 0.1), Frame(0.1, 0.15), Frame(0.15, 0.4)]

    looks = list(Grid([0.1], 0.0).sampled(frames))

    assert [(frame.time_s, round(instant.time_s, 3), again) for frame, instant, again in looks] == [
        (0.0, 0.0, False),
        (0.1, 0.1, False),
        (0.15, 0.2, False),
        (0.15, 0.3, True),
    ]


def test_nothing_is_looked_at_before_the_first_frame():
    looks = list(Grid([0.1], 0.0).sampled([Frame(0.25, 0.45)]))

    assert [round(instant.time_s, 3) for _, instant, _ in looks] == [0.3, 0.4]


@pytest.mark.parametrize("frame_s", [1 / 60, 1 / 30, 0.04, 0.0417, 0.3])
@pytest.mark.parametrize("intervals_s", [[0.08], [0.12, 0.2], [0.5]])
def test_which_frames_an_instant_falls_in_is_known_before(intervals_s, frame_s):
    start_s = 1 / 3
    grid, told = Grid(intervals_s, start_s), Grid(intervals_s, start_s)
    times_s = [round(start_s + k * frame_s, 3) for k in range(200)]  # rounded as Matroska does

    for begin_s, end_s in pairwise(times_s):
        sampled = list(grid.on_display(Frame(begin_s, end_s)))
        assert told.falls_in(begin_s, end_s) == bool(sampled)
