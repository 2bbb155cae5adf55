"""The short form of `make chaos`, and whether its books would show a broken promise."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import pytest

from tests.bundles import write_bundle
from tests.chaos.__main__ import attack
from tests.chaos.check import take_stock
from tests.chaos.clients import Clients
from tests.chaos.fleet import LEASE_S, Fleet
from tests.chaos.stand_in import script
from tests.contract.helpers import Queue
from tests.processes import wait_for


def test_no_job_is_lost_or_done_twice_whatever_is_killed_or_stopped(tmp_path: Path):
    stock, seen, fleet = attack(tmp_path, seconds=20, seed=5, every_s=2)

    assert stock.promise_kept, stock
    assert stock.done == stock.accepted > 0
    assert seen.defects == 0
    assert seen.watched == stock.accepted
    assert sum(fleet.done.values()) == 10


@pytest.mark.parametrize("fenced", [True, False])
def test_without_the_fence_a_worker_that_stood_still_would_be_seen_to_write_twice(tmp_path: Path, fenced: bool):
    fleet = Fleet(tmp_path, gateways=1, workers=2, bundle=write_bundle(tmp_path / "bundle"), fenced=fenced)
    try:
        clients = Clients(fleet.ports, seed=1, most_waiting=1, videos=[])
        job_id = clients._accepted(script(seconds=2 * LEASE_S), "key", Random(1))
        queue = Queue.at(fleet.redis.url)
        wait_for(lambda: queue.find(job_id).done_s > 0 or (not fenced and queue.find(job_id).started_ms))
        [held] = queue.redis.xpending_range("mien:queue", "workers", "-", "+", 1)
        [stopped] = [worker for worker in fleet.workers if f"-{worker.pid}-" in held["consumer"]]
        stopped.send(signal.SIGSTOP)
        wait_for(lambda: queue.find(job_id).state.terminal)
        stopped.send(signal.SIGCONT)
        wait_for(lambda: stopped.said('"event": "attempt ended"'))
        queue.close()

        stock = take_stock(fleet, [job_id])
    finally:
        fleet.close()

    assert (stock.done, stock.lost, stock.double) == (1, 0, 0 if fenced else 1)
