from __future__ import annotations

import threading

import pytest

from mien.contract.options import AnalyzeOptions
from service.queue.consumer import Attempt
from service.worker.batcher import LONGEST_RUN_S
from service.worker.running import HUNG_AFTER_S, RunningJob, RunningJobs, hung_after_s
from service.worker.sandbox import _ENDS_WITHIN_S
from tests.processes import HANG_S


def job(job_id: str = "a") -> RunningJob:
    return RunningJob(
        Attempt(job_id, fence=1, number=1, created_ms=0, upload="uploads/a", size=1, price=1, options=AnalyzeOptions())
    )


def test_a_job_without_progress_hangs_until_it_moves():
    running, hung, other = RunningJobs(), job("a"), job("b")
    running.add(hung)
    running.add(other)
    hung.moved_at -= HUNG_AFTER_S

    assert running.any_hangs()
    assert running.moving() == [other]

    hung.move()

    assert not running.any_hangs()


@pytest.mark.parametrize("stall_s", [1.0, 30.0, 140.0, 200.0, 3600.0])
def test_no_wait_that_is_allowed_looks_like_a_job_that_hangs(stall_s: float):
    assert hung_after_s(stall_s) > max(stall_s + _ENDS_WITHIN_S, LONGEST_RUN_S)
    assert hung_after_s(stall_s) >= HUNG_AFTER_S


def test_a_job_hangs_after_its_own_time():
    patient = job()
    patient.hung_after_s = HUNG_AFTER_S + 100
    patient.moved_at -= HUNG_AFTER_S + 50

    assert patient.moving


def test_a_job_that_ends_late_leaves_the_one_that_took_its_place():
    running, first, second = RunningJobs(), job(), job()
    running.add(first)
    running.add(second)

    running.remove(first)

    assert running.find("a") is second


def test_draining_interrupts_what_does_not_end_in_time():
    running, slow = RunningJobs(), job()
    running.add(slow)

    def end() -> None:
        slow.interrupted.wait(HANG_S)
        running.remove(slow)

    thread = threading.Thread(target=end)
    thread.start()
    running.drain(0.0)
    thread.join()

    assert slow.draining
    assert len(running) == 0
