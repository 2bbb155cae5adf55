"""The short form of `make soak`, and whether it sees a leak."""

from collections import Counter
from pathlib import Path

from tests.attack.soak import grown, soak


def test_traffic_of_all_kinds_ends_as_it_should_and_leaves_nothing_behind(tmp_path: Path):
    samples, wrong = soak(tmp_path, rounds=9)

    assert not wrong
    assert not grown(samples)


def test_a_gateway_that_leaks_on_purpose_fails_it(tmp_path: Path):
    samples, _ = soak(tmp_path, rounds=9, gateway_module="tests.attack.leaky_gateway")

    found = {line.partition(" grew")[0] for line in grown(samples)}
    assert {"gateway: memory MB", "gateway: descriptors", "gateway: threads"} <= found


def test_each_row_that_keeps_growing_is_reported():
    flat = {"gateway: memory MB": 100, "redis: members of these": 40, "worker: processes below it": 3}
    for name, value in flat.items():
        leaking = [Counter(flat | {name: value + 10 * second}) for second in range(30)]
        assert len(grown(leaking)) == 1
    assert not grown([Counter(flat)] * 30)
