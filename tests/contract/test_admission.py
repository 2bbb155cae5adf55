"""Room is reserved before a body is read, and given back however the upload ends."""

from __future__ import annotations

import time

from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.admission import AdmissionLimits
from tests.contract.helpers import Queue, registration

WIDE = AdmissionLimits(jobs=100, bytes=1_000_000, wait_s=1e9)


def test_an_upload_is_admitted_where_there_is_room(queue: Queue):
    assert queue.admit("a", 10, limits=WIDE) is None

    assert queue.redis.zrange(keys.RESERVED, 0, -1) == ["a:10"]


def test_jobs_and_uploads_under_way_count_as_jobs_together(queue: Queue):
    limits = AdmissionLimits(jobs=2, bytes=1000, wait_s=1e9)
    queue.submit("queued")
    queue.admit("uploading", limits=limits)

    assert queue.admit("third", limits=limits) == "jobs"
    assert queue.redis.zrange(keys.RESERVED, 0, -1) == ["uploading:10"]


def test_bytes_queued_uploading_and_asked_for_may_just_fill_the_room(queue: Queue):
    limits = AdmissionLimits(jobs=100, bytes=100, wait_s=1e9)
    queue.submit("queued", size=30)
    queue.admit("uploading", 30, limits=limits)

    assert queue.admit("a byte too many", 41, limits=limits) == "bytes"
    assert queue.admit("just", 40, limits=limits) is None


def test_the_wait_is_that_of_the_bytes_ahead_at_the_rate_of_all_live_workers(queue: Queue):
    queue.worker("ann").register(registration("ann", bytes_per_s=6))
    queue.worker("bob").register(registration("bob", bytes_per_s=4))
    queue.submit("ahead", size=101)

    assert queue.admit("late", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=10)) == "wait"
    assert queue.admit("patient", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=10.1)) is None


def test_without_a_worker_that_knows_its_rate_nothing_is_refused_for_the_wait(queue: Queue):
    queue.submit("ahead", size=500)
    assert queue.admit("a", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=0.001)) is None

    queue.worker().register(registration(bytes_per_s=0))
    assert queue.admit("b", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=0.001)) is None


def test_a_reservation_ends_at_its_deadline(queue: Queue):
    limits = AdmissionLimits(jobs=1, bytes=1000, wait_s=1e9)
    queue.admit("lost", limits=limits, deadline_s=0.05)
    assert queue.admit("early", limits=limits) == "jobs"

    time.sleep(0.06)

    assert queue.admit("late", limits=limits) is None
    assert queue.redis.zrange(keys.RESERVED, 0, -1) == ["late:10"]


def test_an_upload_that_comes_to_nothing_gives_its_room_back(queue: Queue):
    limits = AdmissionLimits(jobs=1, bytes=1000, wait_s=1e9)
    queue.admit("a", 10, limits=limits)

    queue.run(queue.admission.abandon("a", 10))

    assert queue.admit("b", limits=limits) is None


def test_an_accepted_job_takes_the_place_of_its_reservation(queue: Queue):
    limits = AdmissionLimits(jobs=2, bytes=100, wait_s=1e9)
    queue.admit("a", 60, limits=limits)
    queue.run(queue.jobs.submit("a", reserved=60, upload="uploads/a", size=50, options=AnalyzeOptions()))

    assert queue.redis.zcard(keys.RESERVED) == 0
    assert queue.live_bytes() == 50
    assert queue.admit("b", 50, limits=limits) is None
