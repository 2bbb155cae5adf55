"""A Hypothesis state machine: in any order of steps, every accepted job ends exactly once and leaves nothing over."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mien.contract.errors import AttemptsExhausted
from mien.contract.jobs import State
from service.queue import keys
from service.queue.consumer import Attempt, Consumer
from tests.contract.helpers import Queue, fail, lapse, report, succeed, take
from tests.processes import HANG_S

WORKERS = ("ann", "bob", "cid")
MAX_ATTEMPTS = 3


@dataclass
class Known:
    """What must be true of a job. `fence` is that of the only attempt that may write, None while it is queued."""

    size: int
    attempts: int = 0
    fence: int | None = None
    end: str | None = None

    @property
    def live(self) -> bool:
        return self.end is None


class Walk(RuleBasedStateMachine):
    """Random steps at a real server, and beside it what each job must look like."""

    queue: Queue

    def __init__(self) -> None:
        super().__init__()
        self.queue.redis.flushall()
        self.workers = {name: self.queue.worker(name, max_attempts=MAX_ATTEMPTS) for name in WORKERS}
        self.jobs: dict[str, Known] = {}
        self.held: list[tuple[Consumer, Attempt]] = []

    @initialize()
    def make_group(self) -> None:
        self.workers["ann"].claim(1, wait_s=0.001)

    @rule(size=st.integers(0, 50))
    def submit(self, size: int) -> None:
        job_id = f"j{len(self.jobs)}"
        self.queue.submit(job_id, size=size)
        self.jobs[job_id] = Known(size)

    @rule(name=st.sampled_from(WORKERS), count=st.integers(1, 3))
    def claim(self, name: str, count: int) -> None:
        worker = self.workers[name]
        for entry in worker.claim(count, wait_s=0.001):
            attempt = worker.begin(entry)
            job = self.jobs[entry.job_id]
            assert job.live
            if job.attempts == MAX_ATTEMPTS:
                assert attempt is None
                job.end, job.fence = "exhausted", None
                continue
            assert attempt is not None
            job.attempts += 1
            assert attempt.number == job.attempts
            assert job.fence is None or attempt.fence > job.fence
            job.fence = attempt.fence
            self.held.append((worker, attempt))

    @rule(data=st.data())
    def a_lease_runs_out(self, data: st.DataObject) -> None:
        pending = self.queue.redis.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 100)
        if pending:
            one = data.draw(st.sampled_from(pending))
            self.queue.redis.xclaim(
                keys.QUEUE, keys.GROUP, one["consumer"], 0, [one["message_id"]], idle=60_000, justid=True
            )

    @precondition(lambda self: self.held)
    @rule(data=st.data(), good=st.booleans())
    def commit(self, data: st.DataObject, good: bool) -> None:
        worker, attempt = data.draw(st.sampled_from(self.held))
        job = self.jobs[attempt.job_id]
        current = job.fence == attempt.fence
        before = self.queue.redis.hgetall(keys.job(attempt.job_id))

        assert (succeed if good else fail)(worker, attempt) == current

        if current and job.live:
            job.end = "succeeded" if good else "failed"
        else:
            assert self.queue.redis.hgetall(keys.job(attempt.job_id)) == before

    @precondition(lambda self: self.held)
    @rule(data=st.data(), counts=st.booleans())
    def release(self, data: st.DataObject, counts: bool) -> None:
        worker, attempt = data.draw(st.sampled_from(self.held))
        job = self.jobs[attempt.job_id]
        current = job.live and job.fence == attempt.fence

        assert worker.release(attempt, counts=counts) == current

        if current:
            job.fence = None
            job.attempts -= not counts

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew_and_report(self, data: st.DataObject) -> None:
        worker, attempt = data.draw(st.sampled_from(self.held))
        job = self.jobs[attempt.job_id]
        current = job.live and job.fence == attempt.fence

        assert worker.renew(attempt) == current
        assert report(worker, attempt, 1.0, None) == current

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        job = self.jobs[job_id]

        erased = self.queue.run(self.queue.jobs.cancel(job_id))

        assert (erased is None) == (job.end == "cancelled")
        job.end, job.fence = "cancelled", None

    @precondition(lambda self: any(job.live for job in self.jobs.values()))
    @rule(data=st.data())
    def an_entry_is_lost_and_repaired(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(name for name, job in self.jobs.items() if job.live)))
        self.queue.redis.xdel(keys.QUEUE, self.queue.field(job_id, "entry"))

        assert self.queue.run(self.queue.repair.reconcile()) == 1

        self.jobs[job_id].fence = None

    @invariant()
    def the_books_balance(self) -> None:
        live = {name: job for name, job in self.jobs.items() if job.live}
        assert self.queue.depth() == len(live)
        assert set(self.queue.redis.zrange(keys.LIVE, 0, -1)) == set(live)
        assert self.queue.live_bytes() == self.queue.live_price() == sum(job.size for job in live.values())

    def teardown(self) -> None:
        last = self.queue.worker("last", lease_s=0.001, max_attempts=1000)
        time.sleep(0.002)
        while self.queue.depth():
            attempt = take(last)
            assert succeed(last, attempt)
            self.jobs[attempt.job_id].end = "succeeded"
        assert self.queue.is_idle()
        for job_id, job in self.jobs.items():
            found = self.queue.run(self.queue.jobs.find(job_id))
            if job.end == "cancelled":
                assert found == "deleted"
            elif job.end == "succeeded":
                assert (found.state, found.error) == (State.SUCCEEDED, None)
            else:
                assert (found.state, found.result) == (State.FAILED, None)
                assert (found.error.code == AttemptsExhausted.code) == (job.end == "exhausted")
        self.queue.forget_workers()


def test_any_order_of_steps_ends_every_job_once(queue: Queue):
    machine = type("WalkHere", (Walk,), {"queue": queue})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # shrinking would take minutes
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_two_hundred_jobs_and_four_careless_workers_give_one_result_each(queue: Queue):
    wanted = {f"j{number}" for number in range(200)}
    for job_id in wanted:
        queue.submit(job_id, size=3)
    written: list[tuple[str, int]] = []
    failures: list[BaseException] = []

    def work(worker: Consumer, luck: random.Random) -> None:
        try:
            while queue.redis.xlen(keys.QUEUE):
                for entry in worker.claim(2, wait_s=0.05):
                    attempt = worker.begin(entry)
                    if attempt is None:
                        continue
                    if (fate := luck.random()) < 0.10:
                        lapse(queue.redis, worker.name)  # as if it had died
                        continue
                    if fate < 0.15:
                        worker.release(attempt, counts=False)
                        continue
                    if fate < 0.18:
                        lapse(queue.redis, worker.name)
                        time.sleep(0.02)  # somebody else may have it by now
                    if succeed(worker, attempt):
                        written.append((attempt.job_id, attempt.fence))
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(queue.worker(f"w{i}", max_attempts=50), random.Random(i))) for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)

    assert failures == []
    assert Counter(job_id for job_id, _ in written) == Counter(wanted)
    assert {queue.find(job_id).result for job_id in wanted} == {
        f"results/{job_id}.{fence}" for job_id, fence in written
    }
    assert any(fence > 1 for _, fence in written)
    assert queue.is_idle()
