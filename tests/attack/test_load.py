"""The short form of `make load`."""

import pytest

from tests.attack.load import REFUSED, load, too_slow


def test_overload_is_refused_and_what_was_accepted_ends(tmp_path):
    outcome = load(tmp_path, seconds=3)

    assert not outcome.wrong
    assert len(outcome.waits_s) == len(outcome.took_s[202]) > 0


def test_a_service_that_refuses_nothing_fails_it(tmp_path):
    outcome = load(tmp_path, seconds=2, most_jobs=1000)

    assert outcome.wrong == ["nothing was refused at three times the capacity"]


@pytest.mark.parametrize("status", REFUSED)
def test_slow_refusals_fail_it_and_a_slow_machine_does_not(status):
    slow = {200: [0.01] * 100, status: [0.02] * 98 + [0.2] * 2}

    assert len(too_slow(slow)) == 1
    assert not too_slow({200: [0.01] * 98 + [0.18] * 2, status: slow[status]})
