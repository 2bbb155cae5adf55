"""Every way in which a job ends makes its callback due, exactly once."""

from __future__ import annotations

from mien.contract.errors import AttemptsExhausted
from mien.contract.jobs import State
from service.queue import keys
from tests.contract.helpers import Queue, fail, lapse, succeed, take

URL = "https://example.org/done"


def due(queue: Queue) -> list[str]:
    return queue.redis.zrange(keys.CALLBACKS, 0, -1)


def test_a_job_whose_attempts_are_exhausted_is_queued_for_its_callback(queue: Queue):
    ann = queue.worker("ann", max_attempts=1)
    bob = queue.worker("bob", max_attempts=1)
    queue.submit("a", callback_url=URL)
    take(ann)  # and dies
    lapse(queue.redis)

    [entry] = bob.claim(1, wait_s=0.05)
    assert bob.begin(entry) is None

    job = queue.find("a")
    assert job.state is State.FAILED
    assert job.error is not None
    assert job.error.code == AttemptsExhausted.code
    assert due(queue) == ["a"]


def test_a_job_that_succeeds_or_fails_is_queued_for_its_callback(queue: Queue):
    ann = queue.worker()
    queue.submit("good", callback_url=URL)
    queue.submit("bad", callback_url=URL)
    queue.submit("without")

    assert due(queue) == []
    assert succeed(ann, take(ann))
    assert fail(ann, take(ann))
    assert succeed(ann, take(ann))

    assert sorted(due(queue)) == ["bad", "good"]
