from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mien.contract.errors import Expired, NoSuchAnalysis
from mien.contract.jobs import State
from service.gateway.usecases.lookup import look_up, moment, summary
from service.queue import keys
from tests.contract.helpers import BROKEN_VIDEO, Queue, fail, take


def test_a_job_is_found(queue: Queue):
    queue.submit("a")

    assert queue.run(look_up(queue.jobs, "a")) == queue.find("a")


def test_an_unknown_job_is_distinguished_from_an_expired_one(queue: Queue):
    queue.submit("a")
    queue.run(queue.jobs.cancel("a"))
    queue.redis.set(keys.gone("b"), "succeeded")

    with pytest.raises(Expired, match="was deleted"):
        queue.run(look_up(queue.jobs, "a"))
    with pytest.raises(Expired, match="has expired"):
        queue.run(look_up(queue.jobs, "b"))
    with pytest.raises(NoSuchAnalysis):
        queue.run(look_up(queue.jobs, "c"))


def test_a_summary_has_only_what_applies(queue: Queue):
    queue.submit("ann-a")
    queued = summary(queue.find("ann-a"))
    worker = queue.worker()
    assert fail(worker, take(worker))
    failed = summary(queue.find("ann-a"))

    assert (queued.id, queued.state) == ("a", State.QUEUED)
    assert not queued.model_fields_set & {"expires_at", "error"}
    assert (failed.state, failed.error) == (State.FAILED, BROKEN_VIDEO)
    assert failed.expires_at > failed.created_at


def test_moments_are_in_utc():
    assert moment(1500) == datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)
