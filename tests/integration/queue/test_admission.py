"""Room is reserved before a body is read, and given back however the upload ends."""

from __future__ import annotations

import time

from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.admission import Room
from tests.integration.queue.helpers import Queue, registration

WIDE = Room(jobs=100, bytes=1_000_000, wait_s=1e9)


def test_an_upload_is_admitted_where_there_is_room(queue: Queue):
    assert queue.admit("a", 10, room=WIDE) is None

    assert queue.redis.zrange(keys.RESERVED, 0, -1) == ["a:10"]


def test_jobs_and_uploads_under_way_count_as_jobs_together(queue: Queue):
    room = Room(jobs=2, bytes=1000, wait_s=1e9)
    queue.submit("queued")
    queue.admit("uploading", room=room)

    assert queue.admit("third", room=room) == "jobs"
    assert queue.redis.zrange(keys.RESERVED, 0, -1) == ["uploading:10"]


def test_bytes_queued_uploading_and_asked_for_may_just_fill_the_room(queue: Queue):
    room = Room(jobs=100, bytes=100, wait_s=1e9)
    queue.submit("queued", size=30)
    queue.admit("uploading", 30, room=room)

    assert queue.admit("a byte too many", 41, room=room) == "bytes"
    assert queue.admit("just", 40, room=room) is None


def test_the_wait_is_that_of_the_bytes_ahead_at_the_rate_of_all_live_workers(queue: Queue):
    queue.worker("ann").register(registration("ann", bytes_per_s=6))
    queue.worker("bob").register(registration("bob", bytes_per_s=4))
    queue.submit("ahead", size=101)

    assert queue.admit("late", room=Room(jobs=100, bytes=1000, wait_s=10)) == "wait"
    assert queue.admit("patient", room=Room(jobs=100, bytes=1000, wait_s=10.1)) is None


def test_without_a_worker_that_knows_its_rate_nothing_is_refused_for_the_wait(queue: Queue):
    queue.submit("ahead", size=500)
    assert queue.admit("a", room=Room(jobs=100, bytes=1000, wait_s=0.001)) is None

    queue.worker().register(registration(bytes_per_s=0))
    assert queue.admit("b", room=Room(jobs=100, bytes=1000, wait_s=0.001)) is None


def test_a_reservation_ends_at_its_deadline(queue: Queue):
    room = Room(jobs=1, bytes=1000, wait_s=1e9)
    queue.admit("lost", room=room, deadline_s=0.05)
    assert queue.admit("early", room=room) == "jobs"

    time.sleep(0.06)

    assert queue.admit("late", room=room) is None
    assert queue.redis.zrange(keys.RESERVED, 0, -1) == ["late:10"]


def test_an_upload_that_comes_to_nothing_gives_its_room_back(queue: Queue):
    room = Room(jobs=1, bytes=1000, wait_s=1e9)
    queue.admit("a", 10, room=room)

    queue.run(queue.admission.abandon("a", 10))

    assert queue.admit("b", room=room) is None


def test_an_accepted_job_takes_the_place_of_its_reservation(queue: Queue):
    room = Room(jobs=2, bytes=100, wait_s=1e9)
    queue.admit("a", 60, room=room)
    queue.run(queue.jobs.submit("a", reserved=60, upload="uploads/a", size=50, options=AnalyzeOptions()))

    assert queue.redis.zcard(keys.RESERVED) == 0
    assert queue.live_bytes() == 50
    assert queue.admit("b", 50, room=room) is None
