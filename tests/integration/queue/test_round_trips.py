"""The number of Redis commands that each call of the queue takes."""

from __future__ import annotations

from tests.contract.helpers import Queue, report, take
from tests.contract.test_events import window


def test_a_report_is_one_round_trip_however_many_windows_it_has(redis_url: str):
    queue = Queue.at(redis_url)
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    report(ann, attempt, 1.0, None)  # loads the script
    before = queue.redis.info("commandstats")["cmdstat_evalsha"]["calls"]

    ann.report(attempt, [window(float(i)) for i in range(100)], 2)

    assert queue.redis.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 1
    queue.close()
