"""The short form of `make chaos`, and whether its counts would show a broken promise."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import pytest

from tests.bundles import write_bundle
from tests.chaos import plan
from tests.chaos.__main__ import attack
from tests.chaos.check import count_outcomes
from tests.chaos.clients import Clients, Load
from tests.chaos.fleet import LEASE_S, Fault, Fleet
from tests.chaos.stand_in import script
from tests.contract.helpers import Queue
from tests.processes import wait_for


def test_no_job_is_lost_or_done_twice_whatever_is_killed_or_stopped(tmp_path: Path):
    faults = [Fault("kill", "redis"), *plan.for_jobs(Random(5), 10_000)[:7]]

    outcomes, seen, fleet = attack(tmp_path, faults, jobs=60, seed=5)

    assert outcomes.promise_kept, outcomes
    assert outcomes.done == outcomes.accepted >= 60
    assert not seen.defects
    assert (seen.watched, seen.unended) == (outcomes.accepted, 0)
    assert sum(fleet.done.values()) >= 5


@pytest.mark.parametrize("fenced", [True, False])
def test_without_the_fence_a_worker_that_stood_still_would_be_seen_to_write_twice(tmp_path: Path, fenced: bool):
    fleet = Fleet(tmp_path, gateways=1, workers=2, bundle=write_bundle(tmp_path / "bundle"), fenced=fenced)
    try:
        clients = Clients([fleet.gateways[0].port], seed=1, load=Load(1, 1.0, []))
        job_id = clients.accept(script(seconds=2 * LEASE_S), "key", Random(1))
        queue = Queue.at(fleet.redis.url)
        wait_for(lambda: queue.find(job_id).done_s > 0 or (not fenced and queue.find(job_id).started_ms))
        [held] = queue.redis.xpending_range("mien:queue", "workers", "-", "+", 1)
        [stopped] = [worker for worker in fleet.workers if f"-{worker.pid}-" in held["consumer"]]
        stopped.send(signal.SIGSTOP)
        wait_for(lambda: queue.find(job_id).state.terminal)
        stopped.send(signal.SIGCONT)
        wait_for(lambda: stopped.said('"event": "attempt ended"'))
        queue.close()

        outcomes = count_outcomes(fleet, [job_id])
    finally:
        fleet.close()

    assert (outcomes.done, outcomes.lost, outcomes.double) == (1, 0, 0 if fenced else 1)
