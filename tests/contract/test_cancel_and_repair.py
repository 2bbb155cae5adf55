"""Jobs cancelled at every step, and repair of jobs whose stream entry is lost."""

from __future__ import annotations

import pytest

from mien.contract.jobs import State
from service.queue import keys
from service.queue.jobs import ErasedBlobs
from tests.contract.helpers import Queue, has_nothing, lapse, report, succeed, take


def test_a_queued_job_that_is_cancelled_is_never_claimed(queue: Queue):
    ann = queue.worker()
    queue.submit("a")

    assert queue.run(queue.jobs.cancel("a")) == ErasedBlobs("uploads/a", None)

    assert has_nothing(ann)
    assert queue.run(queue.jobs.find("a")) == "deleted"
    assert not queue.redis.exists(keys.jobs(""))
    assert queue.is_idle()


def test_a_running_job_that_is_cancelled_refuses_its_worker(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)

    assert queue.run(queue.jobs.cancel("a")) == ErasedBlobs("uploads/a", None)

    assert not report(ann, attempt, 1.0, None)
    assert not ann.renew(attempt)
    assert not succeed(ann, attempt)
    assert not ann.release(attempt, counts=True)
    assert queue.run(queue.jobs.find("a")) == "deleted"
    assert queue.is_idle()


def test_an_ended_job_that_is_cancelled_names_its_result(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    queue.submit("other")
    succeed(ann, take(ann))

    assert queue.run(queue.jobs.cancel("a")) == ErasedBlobs("uploads/a", "results/a.1")

    assert queue.run(queue.jobs.find("a")) == "deleted"
    assert queue.live_bytes() == 10  # the other's: an ended job's bytes are given back once only


@pytest.mark.parametrize("before", [0, 1])
def test_cancelling_what_is_not_there_does_nothing(queue: Queue, before: int):
    queue.submit("other")
    for _ in range(before):
        queue.submit("a")
        queue.run(queue.jobs.cancel("a"))

    assert queue.run(queue.jobs.cancel("a")) is None
    assert queue.live_bytes() == 10


def test_a_job_erased_between_claim_and_begin_gives_no_attempt(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    ann.claim(1, wait_s=0.01)
    [entry] = ann.claim(1, wait_s=0.01)

    queue.run(queue.jobs.cancel("a"))

    assert ann.begin(entry) is None
    assert queue.is_idle()


def test_an_entry_whose_job_is_gone_is_put_away_at_begin(queue: Queue):
    ann = queue.worker()
    queue.redis.xadd(keys.QUEUE, {"job": "never"})
    ann.claim(1, wait_s=0.01)
    [entry] = ann.claim(1, wait_s=0.01)

    assert ann.begin(entry) is None

    assert queue.is_idle()
    assert not queue.redis.exists(keys.job("never"))


def test_a_second_entry_of_a_live_job_is_put_away_at_begin(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    queue.redis.xadd(keys.QUEUE, {"job": "a"})
    attempt = take(ann)

    [second] = ann.claim(1, wait_s=0.01)

    assert ann.begin(second) is None
    assert ann.renew(attempt)
    assert succeed(ann, attempt)
    assert queue.is_idle()


def test_a_claim_goes_on_past_pending_entries_that_were_deleted(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    for name in "abc":
        queue.submit(name)
    take(ann), take(ann)
    lapse(queue.redis)
    for name in "ab":  # as an operator might; Redis 6.2 hands such entries out without fields
        queue.redis.xdel(keys.QUEUE, queue.field(name, "entry"))

    assert take(bob).job_id == "c"
    assert has_nothing(bob)
    assert queue.pending() == 1


def test_an_entry_handed_out_without_fields_is_acknowledged_and_the_rest_kept(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    queue.submit("b")
    take(ann), take(ann)
    queue.redis.xdel(keys.QUEUE, queue.field("a", "entry"))
    assert queue.pending() == 2

    ann._drop_deleted()

    [pending] = queue.redis.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 10)
    assert pending["message_id"] == queue.field("b", "entry")


@pytest.mark.parametrize("running", [False, True])
def test_a_live_job_that_lost_its_entry_is_queued_anew(queue: Queue, running: bool):
    ann = queue.worker()
    queue.submit("a")
    lost = take(ann) if running else None
    queue.redis.xdel(keys.QUEUE, queue.field("a", "entry"))

    assert queue.run(queue.repair.reconcile()) == 1

    assert queue.find("a").state is State.QUEUED
    assert lost is None or not succeed(ann, lost)
    assert succeed(ann, take(queue.worker("bob")))
    assert queue.run(queue.repair.reconcile()) == 0


def test_jobs_that_are_well_are_left_alone_by_the_repair(queue: Queue):
    ann = queue.worker()
    for name in ("running", "queued"):
        queue.submit(name)
    attempt = take(ann)

    assert queue.run(queue.repair.reconcile()) == 0

    assert queue.depth() == 2
    assert succeed(ann, attempt)


def test_a_live_mark_without_a_job_is_removed_by_the_repair(queue: Queue):
    queue.redis.zadd(keys.LIVE, {"gone": 1})

    assert queue.run(queue.repair.reconcile()) == 0
    assert queue.redis.zcard(keys.LIVE) == 0


def test_nothing_is_lost_with_the_consumer_group(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("running")
    queue.submit("queued")
    old = take(ann)

    queue.redis.xgroup_destroy(keys.QUEUE, keys.GROUP)

    taken = [take(bob), take(bob)]
    assert [attempt.job_id for attempt in taken] == ["running", "queued"]
    assert not succeed(ann, old)
    assert all(succeed(bob, attempt) for attempt in taken)
    assert queue.is_idle()
