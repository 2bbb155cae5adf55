"""Submit, claim, begin, report, commit: a job without faults, and the keys that remain of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mien.contract.errors import QueueUnavailable
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.admission import Admission
from service.queue.connection import connect_async
from service.queue.jobs import Jobs
from service.queue.repair import Repair
from service.queue.status import QueueStatus
from tests.contract.helpers import (
    BROKEN_VIDEO,
    Queue,
    fail,
    has_nothing,
    lapse,
    registration,
    report,
    succeed,
    take,
)
from tests.processes import HANG_S, private_redis, wait_for

# What `service.queue.keys` says lives on without an end, or as long as its members.
WITHOUT_END = {
    keys.QUEUE, keys.jobs(""), keys.LIVE, keys.LIVE_BYTES, keys.LIVE_PRICE, keys.RESERVED, keys.RESERVED_BYTES,
    keys.WORKERS, keys.ERASE, keys.FILE,
}  # fmt: skip


def test_a_submitted_job_appears_everywhere_at_once(queue: Queue):
    queue.submit("a", size=7, faces=3)

    job = queue.find("a")
    assert (job.state, job.upload, job.done_s, job.total_s) == (State.QUEUED, "uploads/a", 0.0, None)
    assert (job.started_ms, job.ended_ms, job.expires_ms, job.result, job.error) == (None, None, None, None, None)
    assert queue.redis.zrange(keys.LIVE, 0, -1) == ["a"]
    assert queue.redis.zrange(keys.jobs(""), 0, -1) == [f"{job.created_ms}:a"]
    [(entry, fields)] = queue.redis.xrange(keys.QUEUE)
    assert (entry, fields) == (queue.field("a", "entry"), {"job": "a"})
    assert queue.live_bytes() == 7


def test_a_submission_that_is_repeated_changes_nothing(queue: Queue):
    queue.submit("a", size=7)
    before = queue.redis.hgetall(keys.job("a"))

    queue.submit("a", size=7)

    assert queue.redis.hgetall(keys.job("a")) == before
    assert (queue.depth(), queue.live_bytes()) == (1, 7)


def test_a_submission_repeated_after_the_end_does_not_bring_the_job_back(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    succeed(ann, take(ann))

    queue.submit("a")

    assert queue.find("a").state is State.SUCCEEDED
    assert queue.is_idle()


def test_submit_is_one_transaction_that_a_watcher_never_sees_half_done(queue: Queue):
    watcher = queue.worker()
    torn, stop = [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            with watcher._redis.pipeline(transaction=True) as pipe:
                pipe.xlen(keys.QUEUE).zcard(keys.LIVE).get(keys.LIVE_BYTES)
                entries, live, size = pipe.execute()
            if not entries == live == int(size or 0):
                torn.append((entries, live, size))

    thread = threading.Thread(target=watch)
    thread.start()
    for number in range(100):
        queue.submit(f"job{number}", size=1)
    stop.set()
    thread.join()

    assert torn == []


def test_what_was_queued_before_any_worker_lived_is_claimed_in_order(queue: Queue):
    for name in "abc":
        queue.submit(name)

    ann = queue.worker()

    assert [take(ann).job_id for _ in "abc"] == ["a", "b", "c"]


def test_a_worker_claims_no_more_than_it_has_room_for(queue: Queue):
    ann = queue.worker()
    for name in "abc":
        queue.submit(name)
    ann.claim(2, wait_s=0.01)

    claimed = ann.claim(2, wait_s=0.01)

    assert [entry.job_id for entry in claimed] == ["a", "b"]
    assert queue.pending() == 2


def test_a_claim_waits_for_a_job_that_is_submitted_meanwhile(queue: Queue):
    ann = queue.worker()
    assert has_nothing(ann)
    found = []
    thread = threading.Thread(target=lambda: found.extend(ann.claim(1, wait_s=HANG_S)))
    thread.start()

    queue.submit("a")
    thread.join(HANG_S)

    assert [entry.job_id for entry in found] == ["a"]


def test_an_attempt_knows_its_job(queue: Queue):
    ann = queue.worker()
    queue.submit("a", size=7, faces=3, start_s=1.5)

    attempt = take(ann)

    assert (attempt.job_id, attempt.fence, attempt.number) == ("a", 1, 1)
    assert (attempt.upload, attempt.size) == ("uploads/a", 7)
    assert attempt.options == AnalyzeOptions(faces=3, start_s=1.5)
    assert attempt.created_ms == queue.find("a").created_ms
    assert queue.find("a").state is State.RUNNING
    assert queue.find("a").started_ms >= attempt.created_ms


def test_progress_is_noted_with_and_without_a_total(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)

    assert report(ann, attempt, 1.5, None)
    assert (queue.find("a").done_s, queue.find("a").total_s) == (1.5, None)
    assert report(ann, attempt, 2.5, 60.0, first=2)
    assert (queue.find("a").done_s, queue.find("a").total_s) == (2.5, 60.0)


def test_a_commit_tells_the_outcome_and_deletes_the_entry(queue: Queue):
    ann = queue.worker()
    queue.submit("a")

    assert succeed(ann, take(ann))

    job = queue.find("a")
    assert (job.state, job.result, job.decode_ms, job.inference_ms) == (State.SUCCEEDED, "results/a.1", 3.0, 4.0)
    assert job.expires_ms == job.ended_ms + 6_000_000
    assert queue.depth() == 0
    assert queue.pending() == 0
    assert queue.is_idle()


def test_a_failure_keeps_its_problem(queue: Queue):
    ann = queue.worker()
    queue.submit("a")

    assert fail(ann, take(ann))

    job = queue.find("a")
    assert (job.state, job.error, job.result) == (State.FAILED, BROKEN_VIDEO, None)
    assert queue.redis.llen(keys.DEAD) == 0
    assert queue.is_idle()


def test_the_same_attempt_may_commit_twice_and_the_second_changes_nothing(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    queue.submit("other", size=99)
    attempt = take(ann)
    succeed(ann, attempt)
    before = queue.redis.hgetall(keys.job("a"))

    assert ann.commit_success(attempt, result="results/another", decode_ms=9, inference_ms=9)
    assert fail(ann, attempt)

    assert queue.redis.hgetall(keys.job("a")) == before
    assert queue.live_bytes() == 99


@pytest.mark.parametrize("end", ["succeeded", "failed", "exhausted", "cancelled"])
def test_every_key_of_a_job_that_has_ended_expires(queue: Queue, end: str):
    ann = queue.worker(max_attempts=1)
    ann.register(registration())
    queue.run(queue.repair.take_sweep(60))
    queue.submit("a")
    attempt = take(ann)

    if end == "succeeded":
        succeed(ann, attempt)
    elif end == "failed":
        fail(ann, attempt)
    elif end == "exhausted":
        lapse(queue.redis)
        [entry] = ann.claim(1, wait_s=0.01)
        assert ann.begin(entry) is None
    else:
        queue.run(queue.jobs.cancel("a"))

    assert queue.is_idle()
    found = set(queue.redis.keys("*"))
    assert {key for key in found if queue.redis.ttl(key) < 0} <= WITHOUT_END
    assert (keys.job("a") in found) == (end != "cancelled")
    if end != "cancelled":
        assert 5000 < queue.redis.ttl(keys.job("a")) <= 6000
        assert 5000 < queue.redis.ttl(keys.gone("a")) - keys.TOMBSTONE_TTL_S <= 6000
        assert queue.redis.get(keys.gone("a")) == "expired"
        assert 0 < queue.redis.ttl(keys.events("a")) <= keys.EVENTS_TTL_S
    else:
        assert keys.TOMBSTONE_TTL_S - 1000 < queue.redis.ttl(keys.gone("a")) <= keys.TOMBSTONE_TTL_S
        assert queue.redis.get(keys.gone("a")) == "deleted"
        assert keys.events("a") not in found
    of_the_job = {keys.job("a"), keys.events("a"), keys.gone("a")}
    assert found <= WITHOUT_END | of_the_job | {keys.DEAD, keys.SWEEPER, keys.worker("ann")}


def test_an_expired_job_leaves_a_word_and_an_unknown_one_none(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    succeed(ann, take(ann))
    queue.redis.delete(keys.job("a"))  # as its time to live would

    assert queue.run(queue.jobs.find("a")) == "expired"
    assert queue.run(queue.jobs.find("never")) is None


def test_changed_yields_the_id_of_each_job_as_it_begins_moves_and_ends(queue: Queue):
    ann = queue.worker(max_attempts=1)
    for name in ("good", "bad", "poison", "cancelled"):
        queue.submit(name)

    async def listen() -> list[str]:
        heard = []
        async for job_id in queue.jobs.changed():
            heard.append(job_id)
            if heard.count("poison") == 2:
                await queue.jobs.cancel("cancelled")
            if job_id == "cancelled":
                break
        return heard

    def work() -> None:
        wait_for(lambda: queue.redis.pubsub_numsub(keys.CHANGED)[0][1])
        good = take(ann)
        report(ann, good, 1.0, None)
        succeed(ann, good)
        fail(ann, take(ann))
        take(ann)
        lapse(queue.redis)
        [entry] = ann.claim(1, wait_s=0.01)
        assert ann.begin(entry) is None

    thread = threading.Thread(target=work)
    thread.start()
    heard = queue.run(listen())
    thread.join()

    assert heard == ["good"] * 3 + ["bad"] * 2 + ["poison"] * 2 + ["cancelled"]


def test_every_command_raises_queue_unavailable_when_the_server_is_gone():
    with private_redis() as url:
        pass

    async def gone() -> None:
        gateway = connect_async(url)
        admission, jobs, repair, status = Admission(gateway), Jobs(gateway), Repair(gateway), QueueStatus(gateway)
        options = AnalyzeOptions()
        for command in (
            admission.release("a"),
            admission.renew("a", 1),
            jobs.submit("a", upload="uploads/a", size=1, price=1, options=options),
            jobs.find("a"),
            admission.claim("k", "a", 1),
            admission.unclaim("k", "a"),
            jobs.page("", None, 10),
            repair.forget_expired(),
            jobs.cancel("a"),
            status.workers(),
            status.depth(),
            repair.take_sweep(1),
            repair.reconcile(),
            repair.forget_dead_workers(),
            jobs.events("a", None),
            anext(jobs.changed()),
        ):
            with pytest.raises(QueueUnavailable) as refused:
                await command
            assert refused.value.retry_after_s > 0
        await gateway.aclose()

    asyncio.run(gone())


def test_workers_are_those_whose_registration_holds(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    ann.register(registration("ann"))
    bob.register(registration("bob"))
    assert {one.name for one in queue.run(queue.status.workers())} == {"ann", "bob"}
    assert 0 < queue.redis.ttl(keys.worker("ann")) <= keys.WORKER_TTL_S

    has_nothing(ann)
    ann.leave()
    queue.redis.delete(keys.worker("bob"))  # as its time to live would

    assert queue.run(queue.status.workers()) == []
    assert [one["name"] for one in queue.redis.xinfo_consumers(keys.QUEUE, keys.GROUP)] == []


def test_a_worker_leaves_a_redis_that_is_full(queue: Queue):
    ann = queue.worker("ann")
    ann.register(registration("ann"))
    has_nothing(ann)

    queue.redis.config_set("maxmemory", 1)
    try:
        ann.leave()
    finally:
        queue.redis.config_set("maxmemory", 0)

    assert queue.run(queue.status.workers()) == []
    assert queue.redis.xinfo_consumers(keys.QUEUE, keys.GROUP) == []


def test_the_name_of_a_dead_worker_is_forgotten_and_that_of_a_live_one_kept(queue: Queue):
    queue.worker("ann").register(registration("ann"))
    queue.redis.zadd(keys.WORKERS, {"dead": 1})

    queue.run(queue.repair.forget_dead_workers())

    assert queue.redis.zrange(keys.WORKERS, 0, -1) == ["ann"]


def test_a_consumer_without_jobs_is_forgotten_but_for_that_of_jobs_that_are_handed_back(queue: Queue, monkeypatch):
    monkeypatch.setattr("service.queue.repair._IDLE_MS", -1)
    queue.submit("a")
    ann = queue.worker("ann")
    attempt = take(ann)
    queue.redis.xgroup_createconsumer(keys.QUEUE, keys.GROUP, keys.RELEASED)
    queue.redis.xgroup_createconsumer(keys.QUEUE, keys.GROUP, "dead")

    queue.run(queue.repair.forget_dead_workers())
    ann.release(attempt, counts=False)

    names = {consumer["name"] for consumer in queue.redis.xinfo_consumers(keys.QUEUE, keys.GROUP)}
    assert names == {"ann", keys.RELEASED}
    assert take(queue.worker("bob")).job_id == "a"


def test_one_gateway_of_all_sweeps_in_a_round(queue: Queue):
    assert queue.run(queue.repair.take_sweep(HANG_S))
    assert not queue.run(queue.repair.take_sweep(HANG_S))
    assert 0 < queue.redis.ttl(keys.SWEEPER) <= HANG_S
