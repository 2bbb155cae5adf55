import math

import pytest

from model.train.schedule import cosine


def rates(**changes):
    told = {"steps": 100, "warmup": 10, "peak": 1.0, "end": 0.1, **changes}
    return [cosine(step, **told) for step in range(told["steps"])]


def test_the_rate_rises_in_a_straight_line_to_the_peak():
    assert rates()[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def test_then_it_falls_along_half_a_cosine_almost_to_the_end_value():
    written_out = [0.1 + 0.5 * 0.9 * (1 + math.cos(math.pi * (step - 10) / 90)) for step in range(10, 100)]

    assert rates()[10:] == pytest.approx(written_out)
    assert rates()[55] == pytest.approx(0.55)  # half-way
    assert 0.1 < rates()[-1] < 0.101


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 1), (5, 5), (5, 0)])
def test_runs_that_are_all_or_no_warm_up_have_rates_too(steps, warmup):
    found = rates(steps=steps, warmup=warmup)

    assert len(found) == steps
    assert max(found) == 1.0
