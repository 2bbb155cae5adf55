"""The short form of the rolling restart, and whether it detects a gateway that exits without draining."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.rolling import roll
from tests.processes import HANG_S


def test_replacing_all_processes_under_load_fails_no_request_and_no_job(tmp_path: Path):
    traffic, stock, replaced = roll(tmp_path, seconds=0, clients=4)

    assert not traffic.failed
    assert {kind.split()[0] for kind in traffic.answers} == {"POST", "Analyze"}
    assert stock.promise_kept, stock
    assert replaced == 3


def test_a_gateway_that_goes_before_the_balancer_looks_again_fails_requests(tmp_path: Path):
    traffic, stock, _ = roll(tmp_path, seconds=0, clients=6, unready_s=0, look_every_s=HANG_S)

    assert traffic.failed
    assert stock.promise_kept, stock
