"""The sweep, on a real store and a real Redis: it removes what crashes left behind and nothing else."""

import asyncio
import os
import threading
import time

import pytest
from redis.asyncio import Redis

from mien.contract.errors import Problem
from service.gateway.usecases import lease
from service.gateway.usecases.sweep import Sweep
from service.queue import keys
from service.queue.admission import Admission, AdmissionLimits
from service.queue.jobs import Job, Jobs
from service.queue.repair import Repair
from service.storage.blobs import result_name, upload_name
from tests.integration.gateway.backend import Backend
from tests.processes import HANG_S

GRACE_S = 600
LIMITS = AdmissionLimits(jobs=9, bytes=999, wait_s=9, slots=9, key_jobs=9, key_uploads=9, key_video_s=9)


class SweptBackend(Backend):
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
def backend(redis_url, tmp_path):
    opened = SweptBackend(redis_url, tmp_path)
    yield opened
    opened.redis.close()


def test_an_upload_that_is_being_received_is_kept_however_old_its_blob_is(backend):
    for name, lease_s in (("slow", 600), ("gone", 0.001)):
        backend.put(upload_name(name))
        backend.run(lambda redis, name=name, lease_s=lease_s: Admission(redis).reserve(name, 9, LIMITS, lease_s))
    backend.age()

    backend.sweep()

    assert backend.names == {upload_name("slow")}


def test_the_file_of_an_upload_that_is_being_received_is_kept_however_slowly_it_grows(backend):
    backend.put(upload_name("x"))
    for name in ("slow", "gone"):
        (backend.folder / "uploads" / f"{name}#1").write_bytes(b"half")
    backend.run(lambda redis: Admission(redis).reserve("slow", 9, LIMITS, 600))
    backend.age()

    backend.sweep()

    assert backend.names == {"uploads/slow#1"}


def test_jobs_of_many_blobs_are_looked_up_in_few_round_trips(backend):
    for number in range(600):
        backend.put(result_name(f"job{number}", 1))
    backend.age()
    before = backend.redis.info("stats")["total_reads_processed"]

    backend.sweep()

    assert backend.names == set()
    assert backend.redis.info("stats")["total_reads_processed"] - before < 100


def test_a_sweep_that_outlasts_its_round_keeps_other_gateways_from_sweeping(backend, monkeypatch):
    swept = threading.Event()
    monkeypatch.setattr(lease, "LEASE_S", 0.4)
    monkeypatch.setattr(backend.blobs, "sweep_unfinished", lambda *_: not swept.wait(HANG_S))

    async def taken_by_another(redis: Redis) -> bool:
        sweep = Sweep(Jobs(redis), Admission(redis), Repair(redis), backend.blobs, idle_s=30)
        sweeping = asyncio.create_task(sweep.every(2))
        await asyncio.sleep(3)
        taken = await Repair(redis).take_sweep(2)
        swept.set()
        sweeping.cancel()
        await asyncio.wait([sweeping])
        return taken

    assert not backend.run(taken_by_another)


def test_blobs_that_no_job_owns_are_removed_once_they_are_old(backend):
    backend.put(upload_name("orphan"))
    backend.put(result_name("orphan", 1))
    backend.sweep()
    assert len(backend.names) == 2
    backend.age()
    backend.sweep()
    assert backend.names == set()


def test_the_upload_of_a_queued_job_stays_however_old(backend):
    job_id = backend.submit()
    backend.age(1e6)
    backend.sweep()
    assert backend.names == {upload_name(job_id)}
    assert backend.redis.xlen(keys.QUEUE) == 1


def test_a_running_jobs_upload_and_a_result_about_to_be_committed_stay(backend):
    job_id = backend.submit()
    _, attempt = backend.begin()
    backend.put(result_name(job_id, attempt.fence))
    backend.age(1e6)
    backend.sweep()
    assert backend.names == {upload_name(job_id), result_name(job_id, attempt.fence)}


def test_an_ended_jobs_result_stays_and_what_else_it_left_goes(backend):
    job_id = backend.submit()
    consumer, attempt = backend.begin()
    # An earlier attempt's result, and the upload that a worker died before erasing.
    backend.put(result_name(job_id, attempt.fence + 7))
    backend.put(result_name(job_id, attempt.fence))
    assert consumer.commit_success(attempt, result=result_name(job_id, attempt.fence), decode_ms=1, inference_ms=1)
    backend.age()
    backend.sweep()
    assert backend.names == {result_name(job_id, attempt.fence)}


def test_a_failed_jobs_upload_goes(backend):
    backend.submit()
    consumer, attempt = backend.begin()
    assert consumer.commit_failure(attempt, Problem(code="cannot_decode", title="t", detail="d"))
    backend.age()
    backend.sweep()
    assert backend.names == set()


def test_the_result_of_an_expired_job_goes(backend):
    job_id = backend.submit()
    consumer, attempt = backend.begin()
    backend.put(result_name(job_id, attempt.fence))
    consumer.commit_success(attempt, result=result_name(job_id, attempt.fence), decode_ms=1, inference_ms=1)
    backend.redis.delete(keys.job(job_id))  # as its time to live does
    backend.age()
    backend.sweep()
    assert backend.names == set()
    assert backend.find(job_id) == "expired"


def test_an_unfinished_file_is_removed_once_it_is_not_written_to(backend):
    backend.put(upload_name("x"))
    unfinished = backend.folder / "uploads" / "01ABC#1"
    unfinished.write_bytes(b"half")
    backend.sweep()
    assert unfinished.exists()
    backend.age()
    backend.sweep()
    assert not unfinished.exists()


def test_an_unfinished_file_that_is_still_written_to_stays(backend):
    backend.put(upload_name("x"))
    backend.age()
    unfinished = backend.folder / "uploads" / "01ABC#1"
    unfinished.write_bytes(b"half")
    backend.sweep()
    assert backend.names == {"uploads/01ABC#1"}


def test_a_live_job_without_its_entry_is_queued_anew_with_a_new_fence(backend):
    job_id = backend.submit()
    _, attempt = backend.begin()
    backend.redis.xtrim(keys.QUEUE, 0)
    backend.sweep()
    assert backend.redis.xlen(keys.QUEUE) == 1
    job = backend.find(job_id)
    assert isinstance(job, Job)
    assert job.state == "queued"
    assert int(backend.redis.hget(keys.job(job_id), "fence")) == attempt.fence + 1
    backend.sweep()
    assert backend.redis.xlen(keys.QUEUE) == 1


def test_the_name_of_an_ended_job_among_the_live_ones_is_dropped(backend):
    backend.redis.zadd(keys.LIVE, {"nobody": 1})
    backend.sweep()
    assert backend.redis.zcard(keys.LIVE) == 0
    assert backend.redis.xlen(keys.QUEUE) == 0


def test_workers_that_died_are_forgotten_and_live_ones_are_not(backend):
    now = time.time() * 1000
    backend.redis.zadd(keys.WORKERS, {"dead": now - 3_600_000, "live": now})
    backend.submit()
    backend.begin()
    backend.sweep()
    assert backend.redis.zrange(keys.WORKERS, 0, -1) == ["live"]
    assert [consumer["name"] for consumer in backend.redis.xinfo_consumers(keys.QUEUE, keys.GROUP)] == ["w"]


def test_a_sweep_of_an_empty_service_does_nothing(backend):
    backend.sweep()
    assert backend.names == set()
    assert backend.redis.keys("*") == []


def test_one_gateway_sweeps_in_a_round(backend):
    async def work(redis: Redis) -> list[bool]:
        return [await Repair(redis).take_sweep(60) for _ in range(3)]

    assert backend.run(work) == [True, False, False]


def test_cancelling_erases_the_blobs_and_a_sweep_finds_nothing_left(backend):
    job_id = backend.submit()
    backend.delete(job_id)
    assert backend.names == set()
    assert backend.find(job_id) == "deleted"
    backend.sweep()
    assert backend.redis.xlen(keys.QUEUE) == 0
