from __future__ import annotations

import threading

import pytest

from mien.contract.workers import Registration
from service.queue.consumer import Attempt
from service.worker import keeper as keeping
from service.worker.keeper import Keeper
from service.worker.running import HUNG_AFTER_S, RunningJobs
from tests.contract.helpers import registration
from tests.processes import wait_for
from tests.unit.worker.test_running import job


class FakeConsumer:
    """Note what the keeper asks of the queue; leases of `lost` jobs belong to other workers."""

    lease_s = 0.04

    def __init__(self, lost: tuple[str, ...] = ()) -> None:
        self.renewed: list[str] = []
        self.registered = 0
        self._lost = lost

    def renew(self, attempt: Attempt) -> bool:
        self.renewed.append(attempt.job_id)
        return attempt.job_id not in self._lost

    def register(self, _registration: Registration) -> None:
        self.registered += 1


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_REGISTER_EVERY_S", 0.005)


def keeper(consumer: FakeConsumer, running: RunningJobs, *, stopping: bool = False) -> Keeper:
    event = threading.Event()
    if stopping:
        event.set()
    return Keeper(consumer, running, registration, event)


def test_only_jobs_that_make_progress_keep_their_lease_and_a_lost_one_is_interrupted():
    consumer, running = FakeConsumer(lost=("lost",)), RunningJobs()
    moving, hung, lost = job("moving"), job("hung"), job("lost")
    for one in (moving, hung, lost):
        running.add(one)
    hung.moved_at -= HUNG_AFTER_S

    with keeper(consumer, running):
        wait_for(lambda: consumer.registered > 1)

    assert set(consumer.renewed) == {"moving", "lost"}
    assert lost.interrupted.is_set()
    assert not moving.interrupted.is_set()


def test_a_worker_that_drains_renews_leases_and_is_no_longer_registered():
    consumer, running = FakeConsumer(), RunningJobs()
    running.add(job("a"))

    with keeper(consumer, running, stopping=True):
        wait_for(lambda: len(consumer.renewed) > 2)

    assert consumer.registered == 0


def test_a_hung_main_loop_renews_nothing():
    consumer, running = FakeConsumer(), RunningJobs()
    running.add(job("a"))
    kept = keeper(consumer, running)
    kept._moved_at -= HUNG_AFTER_S + 1
    with kept:
        kept._ended.wait(0.1)

        assert consumer.renewed == []

        kept.move()
        wait_for(lambda: consumer.renewed)
