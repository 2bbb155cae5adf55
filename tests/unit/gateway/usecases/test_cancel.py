from __future__ import annotations

import pytest

from mien.contract.errors import Expired, NoSuchAnalysis, StorageUnavailable
from service.gateway.usecases.cancel import Cancel
from service.queue import keys
from service.queue.erasure import Erasure
from service.storage.blobs import Blobs
from tests.contract.helpers import Queue, succeed, take


@pytest.fixture
def cancel(queue: Queue, blobs: Blobs) -> Cancel:
    return Cancel(queue.jobs, blobs, Erasure(queue._gateway))


def due(queue: Queue) -> set[str]:
    return set(queue.redis.zrange(keys.ERASE, 0, -1))


def test_a_queued_analysis_is_erased_with_its_video(queue, cancel, blobs, tmp_path):
    blobs.put("uploads/a", b"a video")
    queue.submit("a")

    queue.run(cancel("a"))

    assert queue.run(queue.jobs.find("a")) == "deleted"
    assert (queue.depth(), queue.live_bytes()) == (0, 0)
    assert not (tmp_path / "blobs/uploads/a").exists()
    assert due(queue) == set()


def test_an_ended_analysis_is_erased_with_its_result(queue, cancel, blobs, tmp_path):
    queue.submit("a")
    worker = queue.worker()
    attempt = take(worker)
    blobs.put(f"results/a.{attempt.fence}", b"{}")
    assert succeed(worker, attempt)

    queue.run(cancel("a"))

    assert list((tmp_path / "blobs/results").iterdir()) == []


def test_blobs_that_the_store_keeps_stay_due(queue, cancel, blobs, monkeypatch):
    def fail(names: list[str]) -> None:
        raise StorageUnavailable("The store does not answer. Try again.", 5)

    monkeypatch.setattr(blobs, "delete", fail)
    queue.submit("a")

    queue.run(cancel("a"))

    assert queue.run(queue.jobs.find("a")) == "deleted"
    assert due(queue) == {"uploads/a"}


def test_an_analysis_is_deleted_once(queue, cancel):
    queue.submit("a")
    queue.run(cancel("a"))

    with pytest.raises(Expired):
        queue.run(cancel("a"))


def test_there_is_nothing_to_delete_where_there_never_was_an_analysis(queue, cancel):
    with pytest.raises(NoSuchAnalysis, match="POST /analyze"):
        queue.run(cancel("a"))
