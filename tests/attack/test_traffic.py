"""The short forms of `make load` and `make soak`."""

from collections import Counter

from tests.attack import traffic


def test_overload_is_refused_and_what_was_accepted_ends(tmp_path):
    assert not traffic.load(tmp_path, seconds=3)


def test_a_service_that_refuses_nothing_fails_it(tmp_path):
    assert traffic.load(tmp_path, seconds=2, most_jobs=1000) == ["nothing was refused at three times the capacity"]


def test_traffic_of_all_kinds_leaves_nothing_behind(tmp_path):
    assert not traffic.soak(tmp_path, seconds=0)


def test_a_leak_is_seen():
    flat = {"memory MB": 100, "descriptors": 30, "threads": 12, "keys without an end": 5}
    for name, value in flat.items():
        leaking = [Counter(flat | {name: value + 10 * second}) for second in range(30)]
        assert len(traffic.grown(leaking)) == 1
    assert not traffic.grown([Counter(flat)] * 30)
