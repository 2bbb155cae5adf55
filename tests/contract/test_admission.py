"""Admission: room is reserved for an upload and released however it ends."""

from __future__ import annotations

from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.admission import AdmissionLimits
from tests.contract.helpers import LEASE_S, Queue, registration, succeed, take


def age(queue: Queue, job_id: str) -> None:
    """Move the end of an upload's lease as if a whole lease had passed."""
    queue.redis.zincrby(keys.RESERVED, -1000 * (LEASE_S + 1), job_id)


def reserved(queue: Queue) -> dict[str, int]:
    """Return the bytes reserved for each upload under way."""
    found = {job_id: int(size) for job_id, size in queue.redis.hgetall(keys.RESERVED_BYTES).items()}
    assert set(queue.redis.zrange(keys.RESERVED, 0, -1)) == set(found)
    return found


WIDE = AdmissionLimits(jobs=100, bytes=1_000_000, wait_s=1e9)


def test_an_upload_is_admitted_where_there_is_room(queue: Queue):
    assert queue.admit("a", 10, limits=WIDE) is None

    assert reserved(queue) == {"a": 10}


def test_jobs_and_uploads_under_way_count_as_jobs_together(queue: Queue):
    limits = AdmissionLimits(jobs=2, bytes=1000, wait_s=1e9)
    queue.submit("queued")
    queue.admit("uploading", limits=limits)

    assert queue.admit("third", limits=limits) == "jobs"
    assert reserved(queue) == {"uploading": 10}


def test_bytes_queued_uploading_and_asked_for_may_just_fill_the_room(queue: Queue):
    limits = AdmissionLimits(jobs=100, bytes=100, wait_s=1e9)
    queue.submit("queued", size=30)
    queue.admit("uploading", 30, limits=limits)

    assert queue.admit("a byte too many", 41, limits=limits) == "bytes"
    assert queue.admit("just", 40, limits=limits) is None


def test_the_wait_is_that_of_the_bytes_ahead_at_the_rate_of_all_live_workers(queue: Queue):
    queue.worker("ann").register(registration("ann", price_per_s=6))
    queue.worker("bob").register(registration("bob", price_per_s=4))
    queue.submit("ahead", size=101)

    assert queue.admit("late", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=10)) == "wait"
    assert queue.admit("patient", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=10.1)) is None


def test_the_wait_is_by_the_price_where_few_bytes_are_much_work(queue: Queue):
    queue.worker().register(registration(price_per_s=10))
    queue.submit("blank frames", size=1, price=101)

    assert queue.admit("late", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=10)) == "wait"
    worker = queue.worker("bob")
    attempt = take(worker)
    assert (attempt.size, attempt.price) == (1, 101)
    succeed(worker, attempt)
    assert queue.live_price() == 0
    assert queue.admit("in time", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=10)) is None


def test_without_a_worker_that_knows_its_rate_nothing_is_refused_for_the_wait(queue: Queue):
    queue.submit("ahead", size=500)
    assert queue.admit("a", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=0.001)) is None

    queue.worker().register(registration(price_per_s=0))
    assert queue.admit("b", limits=AdmissionLimits(jobs=100, bytes=1000, wait_s=0.001)) is None


def test_a_reservation_ends_with_its_lease(queue: Queue):
    limits = AdmissionLimits(jobs=1, bytes=1000, wait_s=1e9)
    queue.admit("lost", limits=limits)
    assert queue.admit("early", limits=limits) == "jobs"

    age(queue, "lost")

    assert queue.admit("late", limits=limits) is None
    assert reserved(queue) == {"late": 10}


def test_an_upload_that_comes_to_nothing_gives_its_room_back(queue: Queue):
    limits = AdmissionLimits(jobs=1, bytes=1000, wait_s=1e9)
    queue.admit("a", 10, limits=limits)

    queue.run(queue.admission.release("a"))

    assert queue.admit("b", limits=limits) is None


def test_an_accepted_job_takes_the_place_of_its_reservation(queue: Queue):
    limits = AdmissionLimits(jobs=2, bytes=100, wait_s=1e9)
    queue.admit("a", 60, limits=limits)
    queue.run(queue.jobs.submit("a", upload="uploads/a", size=50, price=50, options=AnalyzeOptions()))

    assert reserved(queue) == {}
    assert queue.live_bytes() == 50
    assert queue.admit("b", 50, limits=limits) is None


def test_a_look_for_room_reserves_none(queue: Queue):
    limits = AdmissionLimits(jobs=1, bytes=100, wait_s=1e9)

    assert queue.run(queue.admission.check("a", 100, limits)) is None
    assert queue.run(queue.admission.check("b", 101, limits)) == ("bytes", 30)

    assert reserved(queue) == {}


def test_what_is_uploading_does_not_count_in_the_wait(queue: Queue):
    queue.worker().register(registration(price_per_s=10))
    limits = AdmissionLimits(jobs=100, bytes=10_000, wait_s=10)
    queue.admit("uploading", 5000, limits=limits)

    assert queue.admit("other", limits=limits) is None


def test_a_reservation_grows_as_far_as_there_is_room(queue: Queue):
    limits = AdmissionLimits(jobs=1, bytes=100, wait_s=1e9)
    queue.admit("a", 10, limits=limits)

    assert queue.run(queue.admission.reserve("a", 100, limits, LEASE_S)) is None  # its own place is no other job's
    assert queue.run(queue.admission.reserve("a", 101, limits, LEASE_S)) == ("bytes", 30)

    assert reserved(queue) == {"a": 100}


def test_a_renewed_reservation_outlives_its_first_lease_and_one_that_is_gone_stays_so(queue: Queue):
    limits = AdmissionLimits(jobs=1, bytes=1000, wait_s=1e9)
    queue.admit("a", limits=limits)
    queue.run(queue.admission.renew("a", 2 * LEASE_S))
    queue.run(queue.admission.renew("never", 2 * LEASE_S))
    age(queue, "a")

    assert queue.admit("b", limits=limits) == "jobs"
    assert reserved(queue) == {"a": 10}
