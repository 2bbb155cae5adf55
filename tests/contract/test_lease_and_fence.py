"""Leases and fences: of workers that hang, resume, release or die, exactly one ends the job."""

from __future__ import annotations

import json

import pytest

from mien.contract.errors import AttemptsExhausted
from mien.contract.jobs import State
from service.queue import keys
from service.queue.consumer import Attempt
from tests.contract.helpers import LEASE_S, Queue, fail, has_nothing, lapse, report, succeed, take
from tests.processes import wait_for


def test_the_entry_of_a_silent_worker_goes_to_another_after_the_lease(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    take(ann)
    lapse(queue.redis, idle_s=LEASE_S / 2)
    assert has_nothing(bob)

    lapse(queue.redis, idle_s=LEASE_S)
    attempt = take(bob)

    assert (attempt.job_id, attempt.fence, attempt.number) == ("a", 2, 2)


def test_a_lease_that_is_renewed_holds(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    attempt = take(ann)

    for _ in range(5):
        lapse(queue.redis)
        assert ann.renew(attempt)
        assert has_nothing(bob)

    assert succeed(ann, attempt)


def test_a_renewal_is_no_delivery(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)

    for _ in range(5):
        ann.renew(attempt)

    [pending] = queue.redis.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 10)
    assert pending["times_delivered"] == 1


def test_a_silent_worker_is_found_behind_many_busy_ones(queue: Queue):
    busy, silent, bob = (queue.worker(name) for name in ("busy", "silent", "bob"))
    for number in range(40):
        queue.submit(f"busy{number}")
    queue.submit("dropped")
    attempts = [take(busy) for _ in range(40)]
    take(silent)
    lapse(queue.redis)
    for attempt in attempts:
        busy.renew(attempt)

    assert [entry.job_id for entry in bob.claim(1, wait_s=0.01)] == ["dropped"]


def test_silent_workers_go_before_new_jobs(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("old")
    take(ann)
    queue.submit("new")
    lapse(queue.redis)

    assert [take(bob).job_id, take(bob).job_id] == ["old", "new"]


@pytest.fixture
def taken_over(queue: Queue):
    """A job that `ann` lost to `bob`, with both their attempts."""
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    old = take(ann)
    lapse(queue.redis)
    return ann, old, bob, take(bob)


def test_an_attempt_that_was_taken_over_can_write_nothing(queue: Queue, taken_over):
    ann, old, _, _ = taken_over
    before = queue.redis.hgetall(keys.job("a"))

    assert not succeed(ann, old)
    assert not fail(ann, old)
    assert not report(ann, old, 1.0, 2.0)
    assert not ann.renew(old)
    assert not ann.release(old, counts=True, error="x")

    assert queue.redis.hgetall(keys.job("a")) == before
    assert (queue.depth(), queue.live_bytes()) == (1, 10)


def test_the_renewal_of_a_lost_attempt_does_not_take_the_entry_back(queue: Queue, taken_over):
    ann, old, _, _ = taken_over

    ann.renew(old)

    [pending] = queue.redis.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 10)
    assert pending["consumer"] == "bob"


def test_the_one_who_took_over_ends_the_job_and_the_first_then_changes_nothing(queue: Queue, taken_over):
    ann, old, bob, new = taken_over
    assert succeed(bob, new)
    before = queue.redis.hgetall(keys.job("a"))

    assert not fail(ann, old)
    assert not ann.release(old, counts=True)
    assert not report(ann, old, 1.0, 2.0)

    assert queue.redis.hgetall(keys.job("a")) == before
    assert queue.find("a").result == "results/a.2"
    assert queue.is_idle()


def test_an_ended_attempt_reports_renews_and_releases_no_more(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    succeed(ann, attempt)

    assert not report(ann, attempt, 1.0, 2.0)
    assert not ann.renew(attempt)
    assert not ann.release(attempt, counts=True)
    assert queue.find("a").state is State.SUCCEEDED


@pytest.mark.parametrize(("counts", "next_number"), [(True, 2), (False, 1)])
def test_a_job_that_is_handed_back_is_taken_again_at_once(queue: Queue, counts: bool, next_number: int):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    attempt = take(ann)

    assert ann.release(attempt, counts=counts, error="OSError")

    assert queue.find("a").state is State.QUEUED
    assert queue.field("a", "last_error") == "OSError"
    assert (queue.depth(), queue.live_bytes()) == (1, 10)
    again = take(bob)
    assert again.number == next_number
    assert again.fence > attempt.fence
    assert not succeed(ann, attempt)
    assert succeed(bob, again)


@pytest.mark.parametrize("counts", [True, False])
def test_a_job_that_is_handed_back_goes_before_those_that_have_not_begun(queue: Queue, counts: bool):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    for job_id in ("a", "b", "c"):
        queue.submit(job_id)

    ann.release(take(ann), counts=counts)

    assert take(bob).job_id == "a"
    ann.leave()
    assert "ann" not in [consumer["name"] for consumer in queue.redis.xinfo_consumers(keys.QUEUE, keys.GROUP)]


def test_hand_backs_that_do_not_count_never_use_up_the_attempts(queue: Queue):
    ann = queue.worker(max_attempts=1)
    queue.submit("a")

    for _ in range(5):
        ann.release(take(ann), counts=False)

    assert succeed(ann, take(ann))


def test_a_job_whose_workers_die_each_time_fails_when_its_attempts_are_used_up(queue: Queue):
    ann = queue.worker(max_attempts=2)
    queue.submit("poison")
    for _ in range(2):
        take(ann)
        lapse(queue.redis)

    [entry] = ann.claim(1, wait_s=0.01)
    assert ann.begin(entry) is None

    job = queue.find("poison")
    assert (job.state, job.error.code) == (State.FAILED, AttemptsExhausted.code)
    assert "2 times" in job.error.detail
    assert job.expires_ms == job.ended_ms + 6_000_000
    assert queue.redis.lrange(keys.DEAD, 0, -1) == ["poison"]
    assert 0 < queue.redis.ttl(keys.DEAD) <= keys.TOMBSTONE_TTL_S
    assert queue.is_idle()


def test_the_last_attempt_cannot_commit_once_the_job_has_failed(queue: Queue):
    ann, bob = queue.worker("ann", max_attempts=1), queue.worker("bob", max_attempts=1)
    queue.submit("slow")
    last = take(ann)
    lapse(queue.redis)
    [entry] = bob.claim(1, wait_s=0.01)
    bob.begin(entry)

    assert not succeed(ann, last)
    assert queue.find("slow").state is State.FAILED


def test_a_failure_that_says_attempts_exhausted_is_on_the_dead_list(queue: Queue):
    ann = queue.worker()
    queue.submit("a")

    ann.commit_failure(take(ann), AttemptsExhausted("It broke.").problem())

    assert queue.redis.lrange(keys.DEAD, 0, -1) == ["a"]
    assert 0 < queue.redis.ttl(keys.DEAD) <= keys.TOMBSTONE_TTL_S


def test_a_worker_that_takes_over_from_itself_gets_a_new_attempt(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    old = take(ann)
    lapse(queue.redis)

    new = take(ann)

    assert new.fence == old.fence + 1
    assert not succeed(ann, old)
    assert succeed(ann, new)


def test_a_worker_that_leaves_keeps_its_name_while_it_holds_an_entry(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    take(ann)

    ann.leave()  # deleting the consumer would drop what it holds, for ever
    lapse(queue.redis)

    assert take(bob).job_id == "a"


def test_a_job_that_waits_to_run_alone_goes_to_a_worker_that_is_empty_when_its_lease_has_run_out(queue: Queue):
    queue.submit("a")
    take(queue.worker("dead"))
    lapse(queue.redis)
    ann, ben = queue.worker("ann"), queue.worker("ben")
    [waiting] = ann.claim(1, wait_s=0.01)
    lapse(queue.redis, "ann")  # a live analysis, say, goes on there

    assert ann.begin(waiting, alone=False) == "alone"
    [taken] = ben.claim(1, wait_s=0.01)
    assert isinstance(ben.begin(taken), Attempt)
    assert ann.begin(waiting) is None


def test_a_job_with_options_of_a_newer_release_waits_for_a_worker_that_knows_them(queue: Queue):
    queue.submit("a", faces=3)
    options = queue.field("a", "options")
    queue.redis.hset(keys.job("a"), "options", '{"faces":3,"colour":"red"}')
    old, new = queue.worker("old"), queue.worker("new")

    for _ in range(4):  # more often than a job is tried
        [entry] = wait_for(lambda: old.claim(1, wait_s=0.01))
        assert old.begin(entry) == "newer"
        assert has_nothing(old)  # it takes other jobs meanwhile
        lapse(queue.redis)
    assert queue.find("a").state is State.QUEUED
    queue.redis.hset(keys.job("a"), "options", options)  # which `new` knows

    attempt = take(new)
    assert (attempt.number, attempt.options.faces) == (1, 3)


def test_options_that_were_not_given_are_not_stored(queue: Queue):
    queue.submit("a", faces=3)  # workers of an earlier release know no others

    assert json.loads(queue.field("a", "options")) == {"faces": 3}
