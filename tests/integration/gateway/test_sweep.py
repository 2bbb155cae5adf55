"""The sweep, on a real store and a real Redis: what crashes leave behind goes, what lives stays."""

import os
import time

import pytest
from redis.asyncio import Redis

from mien.contract.errors import Problem
from service.gateway.usecases.sweep import Sweep
from service.queue import keys
from service.queue.admission import Admission
from service.queue.jobs import Job, Jobs
from service.queue.repair import Repair
from service.storage.blobs import result_name, upload_name
from tests.integration.gateway.house import House

GRACE_S = 600


class SweptHouse(House):
    """With the sweep, and time that passes for what is stored."""

    def sweep(self) -> None:
        self.run(lambda redis: Sweep(Jobs(redis), Admission(redis), Repair(redis), self.blobs, idle_s=30)(GRACE_S))

    def begin(self):
        consumer = self.consumer()
        consumer.claim(1, 0.1)  # makes the group
        (entry,) = consumer.claim(1, 1)
        return consumer, consumer.begin(entry)

    def put(self, name: str) -> None:
        self.blobs.put(name, b"{}")

    def age(self, seconds: float = 2 * GRACE_S) -> None:
        """Make everything in the store this old."""
        then = time.time() - seconds
        for file in self.folder.rglob("*"):
            if file.is_file():
                os.utime(file, (then, then))


@pytest.fixture
def house(redis_url, tmp_path):
    opened = SweptHouse(redis_url, tmp_path)
    yield opened
    opened.redis.close()


def test_blobs_that_no_job_owns_are_removed_once_they_are_old(house):
    house.put(upload_name("orphan"))
    house.put(result_name("orphan", 1))
    house.sweep()
    assert len(house.names) == 2
    house.age()
    house.sweep()
    assert house.names == set()


def test_the_upload_of_a_queued_job_stays_however_old(house):
    job_id = house.submit()
    house.age(1e6)
    house.sweep()
    assert house.names == {upload_name(job_id)}
    assert house.redis.xlen(keys.QUEUE) == 1


def test_a_running_jobs_upload_and_a_result_about_to_be_committed_stay(house):
    job_id = house.submit()
    _, attempt = house.begin()
    house.put(result_name(job_id, attempt.fence))
    house.age(1e6)
    house.sweep()
    assert house.names == {upload_name(job_id), result_name(job_id, attempt.fence)}


def test_an_ended_jobs_result_stays_and_what_else_it_left_goes(house):
    job_id = house.submit()
    consumer, attempt = house.begin()
    # An earlier attempt's result, and the upload that a worker died before erasing.
    house.put(result_name(job_id, attempt.fence + 7))
    house.put(result_name(job_id, attempt.fence))
    assert consumer.commit_success(attempt, result=result_name(job_id, attempt.fence), decode_ms=1, inference_ms=1)
    house.age()
    house.sweep()
    assert house.names == {result_name(job_id, attempt.fence)}


def test_a_failed_jobs_upload_goes(house):
    house.submit()
    consumer, attempt = house.begin()
    assert consumer.commit_failure(attempt, Problem(code="cannot_decode", title="t", detail="d"))
    house.age()
    house.sweep()
    assert house.names == set()


def test_the_result_of_an_expired_job_goes(house):
    job_id = house.submit()
    consumer, attempt = house.begin()
    house.put(result_name(job_id, attempt.fence))
    consumer.commit_success(attempt, result=result_name(job_id, attempt.fence), decode_ms=1, inference_ms=1)
    house.redis.delete(keys.job(job_id))  # as its time to live does
    house.age()
    house.sweep()
    assert house.names == set()
    assert house.find(job_id) == "expired"


def test_an_unfinished_file_goes_once_nobody_writes_to_it(house):
    house.put(upload_name("x"))
    unfinished = house.folder / "uploads" / "01ABC#1"
    unfinished.write_bytes(b"half")
    house.sweep()
    assert unfinished.exists()
    house.age()
    house.sweep()
    assert not unfinished.exists()


def test_an_unfinished_file_that_is_still_written_to_stays(house):
    house.put(upload_name("x"))
    house.age()
    unfinished = house.folder / "uploads" / "01ABC#1"
    unfinished.write_bytes(b"half")
    house.sweep()
    assert house.names == {"uploads/01ABC#1"}


def test_a_live_job_without_its_entry_is_queued_anew_with_a_new_fence(house):
    job_id = house.submit()
    _, attempt = house.begin()
    house.redis.xtrim(keys.QUEUE, 0)
    house.sweep()
    assert house.redis.xlen(keys.QUEUE) == 1
    job = house.find(job_id)
    assert isinstance(job, Job)
    assert job.state == "queued"
    assert int(house.redis.hget(keys.job(job_id), "fence")) == attempt.fence + 1
    house.sweep()
    assert house.redis.xlen(keys.QUEUE) == 1


def test_the_name_of_an_ended_job_among_the_live_ones_is_dropped(house):
    house.redis.zadd(keys.LIVE, {"nobody": 1})
    house.sweep()
    assert house.redis.zcard(keys.LIVE) == 0
    assert house.redis.xlen(keys.QUEUE) == 0


def test_workers_that_died_are_forgotten_and_live_ones_are_not(house):
    now = time.time() * 1000
    house.redis.zadd(keys.WORKERS, {"dead": now - 3_600_000, "live": now})
    house.submit()
    house.begin()
    house.sweep()
    assert house.redis.zrange(keys.WORKERS, 0, -1) == ["live"]
    assert [consumer["name"] for consumer in house.redis.xinfo_consumers(keys.QUEUE, keys.GROUP)] == ["w"]


def test_a_sweep_of_an_empty_house_does_nothing(house):
    house.sweep()
    assert house.names == set()
    assert house.redis.keys("*") == []


def test_one_gateway_sweeps_in_a_round(house):
    async def work(redis: Redis) -> list[bool]:
        return [await Repair(redis).take_sweep(60) for _ in range(3)]

    assert house.run(work) == [True, False, False]


def test_cancelling_erases_the_blobs_and_a_sweep_finds_nothing_left(house):
    job_id = house.submit()
    house.delete(job_id)
    assert house.names == set()
    assert house.find(job_id) == "deleted"
    house.sweep()
    assert house.redis.xlen(keys.QUEUE) == 0
