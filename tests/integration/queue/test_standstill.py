"""After Redis was suspended for longer than a lease, no worker takes over a job whose owner could not renew it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from service.queue.consumer import Attempt
from tests.contract.helpers import Queue
from tests.processes import StoppableRedis, stoppable_redis, wait_for

LEASE_S = 3.0


@pytest.fixture
def server() -> Iterator[StoppableRedis]:
    with stoppable_redis() as server:
        yield server


def run_out(queue: Queue) -> None:
    """Let ann's lease run out, as it would while Redis stands still for long."""
    [entry_id] = [one["message_id"] for one in pending(queue) if one["consumer"] == "ann"]
    queue.redis.xclaim("mien:queue", "workers", "ann", 0, [entry_id], idle=10**6, justid=True)


def pending(queue: Queue) -> list[dict[str, object]]:
    return queue.redis.xpending_range("mien:queue", "workers", "-", "+", 9)


def stand_still(server: StoppableRedis, meanwhile: Future[object]) -> None:
    """Let Redis go on after more than half a lease; `meanwhile` waits for it."""
    time.sleep(0.6 * LEASE_S)
    assert not meanwhile.done()
    os.kill(server.pid, signal.SIGCONT)


def begun(queue: Queue, worker_name: str, job: str) -> Attempt:
    queue.submit(job)
    worker = queue.worker(worker_name, lease_s=LEASE_S)
    attempt = wait_for(lambda: next(iter(worker.claim(1, wait_s=0.1)), None))
    found = worker.begin(attempt)
    assert isinstance(found, Attempt)
    return found


@pytest.mark.parametrize("while_claiming", [True, False])
def test_who_waited_for_a_redis_that_stood_still_lets_owners_renew_first(server: StoppableRedis, while_claiming: bool):
    queue = Queue.at(server.url)
    attempt = begun(queue, "ann", "a")
    other = begun(queue, "ben", "b")
    ann, ben = queue._consumers
    with ThreadPoolExecutor(1) as threads:
        ben.renew(other)  # which loads the script and opens the connection
        run_out(queue)
        os.kill(server.pid, signal.SIGSTOP)
        waiting = threads.submit(ben.claim, 1, 0.1) if while_claiming else threads.submit(ben.renew, other)
        stand_still(server, waiting)
        found = waiting.result()
        claimed = found if while_claiming else ben.claim(1, wait_s=0.1)

    assert [ben.begin(entry) for entry in claimed] == []
    assert ann.renew(attempt)
    [held] = [one for one in pending(queue) if one["consumer"] == "ann"]
    assert held["time_since_delivered"] < 1000 * LEASE_S
    assert queue.field("a", "attempts") == "1"
    queue.close()


def test_a_lease_that_is_not_renewed_after_a_standstill_is_taken_over(server: StoppableRedis):
    queue = Queue.at(server.url)
    begun(queue, "ann", "a")
    ben = queue.worker("ben", lease_s=LEASE_S)
    ben.claim(1, wait_s=0.1)
    with ThreadPoolExecutor(1) as threads:
        run_out(queue)
        os.kill(server.pid, signal.SIGSTOP)
        waiting = threads.submit(ben.claim, 1, 0.1)
        stand_still(server, waiting)
        assert waiting.result() == []

    [entry] = wait_for(lambda: ben.claim(1, wait_s=0.1))
    assert entry.job_id == "a"
    queue.close()
